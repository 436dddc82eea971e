/* Moves numbers below, then above a pivot, and goes on in the part that holds the place. */
#include "base/order.h"

double order_select(double *v, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		double pivot = v[low + (high - low) / 2];
		size_t i = low, j = high;

		for (;;) {
			double held;

			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i >= j)
				break;
			held = v[i];
			v[i++] = v[j];
			v[j--] = held;
		}
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return v[k];
}
