/* A small network with two hidden layers: evaluation only. Weights are constants that were learned
 * elsewhere (tests/judge). Pure; no allocation. */
#pragma once
#include <stddef.h>

#define MLP_INPUTS_MAX 160
#define MLP_WIDTH_MAX 96

struct mlp {
	size_t inputs, hidden[2], outputs;
	const float *mean, *scale; /* input i is (v - mean[i]) * scale[i], clipped to +-MLP_CLIP */
	const float *weight[3];	   /* rows: from one unit to all of the next layer */
	const float *bias[3];
};

#define MLP_CLIP 5.0f

/* What the first layer sees of an input. */
float mlp_input(const struct mlp *net, size_t i, double v);

/* in: inputs numbers; ret: outputs numbers, logits. */
void mlp_run(const struct mlp *net, const double *in, float *ret);

/* Probabilities of logits divided by temperature. */
void mlp_softmax(const float *logit, size_t n, double temperature, double *ret);
