/* The small network: evaluated as by hand, and learned by its trainer, the same each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "../judge/train_mlp.c"
#include "growth/mlp.h"

static void a_network_is_evaluated_as_by_hand(void **state)
{
	static const float mean[] = { 1, 0 }, scale[] = { 2, 1 };
	static const float w0[] = { 1, -1, 0.5f, 2 }, b0[] = { 0, 1 };
	static const float w1[] = { 1, 3 }, b1[] = { -1 };
	static const float w2[] = { 2, -2 }, b2[] = { 0.25f, 0 };
	const struct mlp net = { 2, { 2, 1 }, 2, mean, scale, { w0, w1, w2 }, { b0, b1, b2 } };
	const double in[] = { 2, 100 }; /* seen as 2 and, clipped, 5 */
	float out[2];

	(void)state;
	mlp_run(&net, in, out); /* 2 + 2.5, -2 + 10 + 1; 4.5 + 27 - 1 */
	assert_true(out[0] == 61.25f && out[1] == -61);
	assert_true(mlp_input(&net, 0, -1e30) == -MLP_CLIP);
}

static void softmax_adds_up_for_any_logits(void **state)
{
	const float even[] = { 1, 1, 1, 1 }, wide[] = { -1e30f, 3e30f, 0, 5 };
	double p[4];

	(void)state;
	mlp_softmax(even, 4, 1, p);
	assert_true(p[0] == 0.25 && p[3] == 0.25);
	mlp_softmax(wide, 4, 1, p);
	assert_true(p[1] == 1 && p[0] == 0);
	mlp_softmax((const float[]){ 0, 2 }, 2, 2, p);
	assert_true(fabs(p[1] - 1 / (1 + exp(-1))) < 1e-12);
}

#define ROWS 600

static float input[ROWS * 2], weight[ROWS];
static uint8_t right[ROWS];

/* Which side of a cross: no line tells. */
static void make_cross(struct train_set *s)
{
	struct rng r = rng_new(5, 0);

	*s = (struct train_set){ ROWS, 2, input, right, weight };
	for (size_t i = 0; i < ROWS; i++) {
		input[2 * i] = rng_between(&r, -1, 1);
		input[2 * i + 1] = rng_between(&r, -1, 1);
		right[i] = input[2 * i] * input[2 * i + 1] > 0 ? 1 : 2;
		weight[i] = 1;
	}
}

static void what_is_asked_is_learned_and_the_same_each_time(void **state)
{
	const struct train_cfg cfg = { .seed = 3, .epochs = 60, .batch = 20, .rate = 1e-2f };
	struct train_net a, b;
	struct train_set s;

	(void)state;
	make_cross(&s);
	assert_int_equal(train_net_new(2, 12, 8, 2, 3, &a), 0);
	assert_int_equal(train_net_new(2, 12, 8, 2, 3, &b), 0);
	assert_true(train_loss(&a, &s) > 0.5);
	assert_int_equal(train_run(&cfg, &s, &s, &a), 0);
	assert_true(train_loss(&a, &s) < 0.12);
	assert_int_equal(train_run(&cfg, &s, &s, &b), 0);
	assert_memory_equal(a.parameter, b.parameter, a.count * sizeof(float));
	train_net_done(&a);
	train_net_done(&b);
}

/* Where several outputs are right, only the others cost. */
static void several_may_be_right(void **state)
{
	struct train_net net;
	struct train_set s;
	double loss;

	(void)state;
	make_cross(&s);
	assert_int_equal(train_net_new(2, 12, 8, 3, 3, &net), 0);
	memset(right, 7, sizeof(right));
	assert_true(fabs(train_loss(&net, &s)) < 1e-5);
	memset(right, 3, sizeof(right));
	loss = train_loss(&net, &s);
	memset(right, 1, sizeof(right));
	assert_true(loss > 0.01 && train_loss(&net, &s) > loss);
	train_net_done(&net);
}

/* The gradient is that of the loss: against small differences. */
static void gradients_are_right(void **state)
{
	struct batch *b = calloc(1, sizeof(*b));
	float gradient[200];
	struct train_net net;
	struct train_set s;

	(void)state;
	assert_non_null(b);
	make_cross(&s);
	for (size_t i = 0; i < ROWS; i++)
		right[i] = i % 2 ? 5 : right[i];
	assert_int_equal(train_net_new(2, 6, 5, 3, 11, &net), 0);
	assert_true(net.count < 200);
	s.n = 64;
	load(&s, NULL, 0, s.n, b);
	forward(&net, b, 0, NULL);
	softmax_loss(&net, b);
	backward(&net, b, 0, gradient);
	for (size_t i = 0; i < net.count; i++) {
		float kept = net.parameter[i], by = 1e-2f;
		double up, down;

		net.parameter[i] = kept + by;
		up = train_loss(&net, &s);
		net.parameter[i] = kept - by;
		down = train_loss(&net, &s);
		net.parameter[i] = kept;
		assert_true(fabs((up - down) / (2 * by) - gradient[i]) < 5e-3);
	}
	train_net_done(&net);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_is_evaluated_as_by_hand),
		cmocka_unit_test(softmax_adds_up_for_any_logits),
		cmocka_unit_test(what_is_asked_is_learned_and_the_same_each_time),
		cmocka_unit_test(several_may_be_right),
		cmocka_unit_test(gradients_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
