/* Learning of a network of growth/mlp.h: Adam on the cross entropy, in single precision. The same
 * seed gives the same network on the same machine and compiler. */
#pragma once
#include <stdint.h>

#include "growth/mlp.h"

struct train_set {
	size_t n, inputs;
	float *input;	/* owned: n rows, scaled and clipped */
	uint8_t *right; /* owned: bit 1 << output for each output that would be right */
	float *weight;	/* owned: of each row in the loss */
};

struct train_cfg {
	uint64_t seed;
	size_t epochs, batch;
	float rate;  /* of learning, at its highest */
	float decay; /* of weights, per step and rate */
	float drop;  /* share of hidden units that are left out while learning */
};

struct train_net {
	size_t inputs, hidden[2], outputs;
	size_t count;	  /* of parameters */
	float *parameter; /* owned: weights and biases, layer by layer */
};

int train_net_new(size_t inputs, size_t hidden0, size_t hidden1, size_t outputs, uint64_t seed,
		  struct train_net *ret); /* -ENOMEM */
void train_net_done(struct train_net *net);

/* A network over the parameters; mean and scale are the caller's. */
struct mlp train_net_view(const struct train_net *net, const float *mean, const float *scale);

/* Learns from `train`; keeps what was best on `valid` at the end of an epoch. -ENOMEM */
int train_run(const struct train_cfg *cfg, const struct train_set *train,
	      const struct train_set *valid, struct train_net *net);

/* Mean cross entropy: of the sum of the outputs that would be right. */
double train_loss(const struct train_net *net, const struct train_set *set);
