#include "growth/mlp.h"

#include <math.h>

float mlp_input(const struct mlp *net, size_t i, double v)
{
	float scaled = ((float)v - net->mean[i]) * net->scale[i];

	return fminf(fmaxf(scaled, -MLP_CLIP), MLP_CLIP);
}

static void layer_run(const float *weight, const float *bias, const float *in, size_t n, size_t out,
		      float *ret)
{
	for (size_t j = 0; j < out; j++)
		ret[j] = bias[j];
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < out; j++)
			ret[j] += in[i] * weight[i * out + j];
}

void mlp_run(const struct mlp *net, const double *in, float *ret)
{
	float a[MLP_INPUTS_MAX], b[MLP_WIDTH_MAX];

	for (size_t i = 0; i < net->inputs; i++)
		a[i] = mlp_input(net, i, in[i]);
	layer_run(net->weight[0], net->bias[0], a, net->inputs, net->hidden[0], b);
	for (size_t i = 0; i < net->hidden[0]; i++)
		b[i] = fmaxf(b[i], 0);
	layer_run(net->weight[1], net->bias[1], b, net->hidden[0], net->hidden[1], a);
	for (size_t i = 0; i < net->hidden[1]; i++)
		a[i] = fmaxf(a[i], 0);
	layer_run(net->weight[2], net->bias[2], a, net->hidden[1], net->outputs, ret);
}

void mlp_softmax(const float *logit, size_t n, double temperature, double *ret)
{
	double top = logit[0], sum = 0;

	for (size_t i = 1; i < n; i++)
		top = fmax(top, logit[i]);
	for (size_t i = 0; i < n; i++) {
		ret[i] = exp((logit[i] - top) / temperature);
		sum += ret[i];
	}
	for (size_t i = 0; i < n; i++)
		ret[i] /= sum;
}
