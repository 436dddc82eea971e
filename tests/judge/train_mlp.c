#include "train_mlp.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

#define LAYERS 3
#define BATCH_MAX 256
#define BETA1 0.9f
#define BETA2 0.999f

static size_t width_of(const struct train_net *net, size_t layer) /* layer 0: inputs */
{
	return layer == 0 ? net->inputs : layer < LAYERS ? net->hidden[layer - 1] : net->outputs;
}

static size_t offset_of(const struct train_net *net, size_t layer)
{
	size_t at = 0;

	for (size_t l = 0; l < layer; l++)
		at += (width_of(net, l) + 1) * width_of(net, l + 1);
	return at;
}

int train_net_new(size_t inputs, size_t hidden0, size_t hidden1, size_t outputs, uint64_t seed,
		  struct train_net *ret)
{
	struct train_net net = { inputs, { hidden0, hidden1 }, outputs, 0, NULL };
	struct rng r = rng_new(seed, 0);

	net.count = offset_of(&net, LAYERS);
	net.parameter = calloc(net.count, sizeof(float));
	if (!net.parameter)
		return -ENOMEM;
	for (size_t l = 0; l < LAYERS; l++) {
		size_t n = width_of(&net, l), m = width_of(&net, l + 1);
		float *w = net.parameter + offset_of(&net, l), size = sqrtf(2.0f / n);

		for (size_t i = 0; i < n * m; i++)
			w[i] = size * rng_normal(&r);
	}
	*ret = net;
	return 0;
}

void train_net_done(struct train_net *net)
{
	free(net->parameter);
	net->parameter = NULL;
}

struct mlp train_net_view(const struct train_net *net, const float *mean, const float *scale)
{
	struct mlp view = { .inputs = net->inputs,
			    .hidden = { net->hidden[0], net->hidden[1] },
			    .outputs = net->outputs,
			    .mean = mean,
			    .scale = scale };

	for (size_t l = 0; l < LAYERS; l++) {
		view.weight[l] = net->parameter + offset_of(net, l);
		view.bias[l] = view.weight[l] + width_of(net, l) * width_of(net, l + 1);
	}
	return view;
}

/* Values of a batch between layers, and their gradients. */
struct batch {
	size_t n;
	float value[LAYERS + 1][BATCH_MAX * MLP_INPUTS_MAX];
	float gradient[LAYERS + 1][BATCH_MAX * MLP_INPUTS_MAX];
	uint8_t right[BATCH_MAX];
	float weight[BATCH_MAX], hit[BATCH_MAX]; /* hit: probability of what is right */
};

static void forward_layer(const float *w, const float *in, size_t rows, size_t n, size_t m,
			  float *restrict out)
{
	const float *bias = w + n * m;

	for (size_t b = 0; b < rows; b++) {
		float *restrict o = out + b * m;

		for (size_t j = 0; j < m; j++)
			o[j] = bias[j];
		for (size_t i = 0; i < n; i++) {
			float v = in[b * n + i];

			if (v == 0)
				continue;
			for (size_t j = 0; j < m; j++)
				o[j] += v * w[i * m + j];
		}
	}
}

static void forward(const struct train_net *net, struct batch *b, float drop, struct rng *r)
{
	for (size_t l = 0; l < LAYERS; l++) {
		size_t m = width_of(net, l + 1);
		float *out = b->value[l + 1];

		forward_layer(net->parameter + offset_of(net, l), b->value[l], b->n,
			      width_of(net, l), m, out);
		if (l + 1 == LAYERS)
			return;
		for (size_t i = 0; i < b->n * m; i++)
			out[i] = fmaxf(out[i], 0);
		if (drop <= 0)
			continue;
		for (size_t i = 0; i < b->n * m; i++)
			out[i] *= rng_unit(r) < drop ? 0 : 1 / (1 - drop);
	}
}

/* Probabilities in the place of logits; returns the sum of weighted cross entropies. */
static double softmax_loss(const struct train_net *net, struct batch *b)
{
	size_t m = net->outputs;
	double loss = 0;

	for (size_t k = 0; k < b->n; k++) {
		float *z = b->value[LAYERS] + k * m, top = z[0], sum = 0;

		for (size_t j = 1; j < m; j++)
			top = fmaxf(top, z[j]);
		for (size_t j = 0; j < m; j++) {
			z[j] = expf(z[j] - top);
			sum += z[j];
		}
		b->hit[k] = 1e-12f;
		for (size_t j = 0; j < m; j++) {
			z[j] /= sum;
			b->hit[k] += b->right[k] >> j & 1 ? z[j] : 0;
		}
		loss -= b->weight[k] * logf(b->hit[k]);
	}
	return loss;
}

static void backward_layer(const float *w, const struct batch *b, size_t l, size_t n, size_t m,
			   float *restrict dw, float *restrict din)
{
	float *restrict dbias = dw + n * m;

	for (size_t k = 0; k < b->n; k++) {
		const float *d = b->gradient[l + 1] + k * m, *in = b->value[l] + k * n;

		for (size_t j = 0; j < m; j++)
			dbias[j] += d[j];
		for (size_t i = 0; i < n; i++) {
			float v = in[i], sum = 0;

			if (v == 0)
				continue;
			for (size_t j = 0; j < m; j++)
				dw[i * m + j] += v * d[j];
			if (!din)
				continue;
			for (size_t j = 0; j < m; j++)
				sum += w[i * m + j] * d[j];
			din[k * n + i] = sum;
		}
	}
}

static void backward(const struct train_net *net, struct batch *b, float drop, float *dparameter)
{
	size_t m = net->outputs;
	float share = 1.0f / b->n;

	memset(dparameter, 0, net->count * sizeof(float));
	for (size_t k = 0; k < b->n; k++) {
		for (size_t j = 0; j < m; j++) {
			float p = b->value[LAYERS][k * m + j];
			float should = b->right[k] >> j & 1 ? p / b->hit[k] : 0;

			b->gradient[LAYERS][k * m + j] = share * b->weight[k] * (p - should);
		}
	}
	for (size_t l = LAYERS; l-- > 0;) {
		size_t n = width_of(net, l), size = b->n * n;

		memset(b->gradient[l], 0, size * sizeof(float));
		backward_layer(net->parameter + offset_of(net, l), b, l, n, width_of(net, l + 1),
			       dparameter + offset_of(net, l), l ? b->gradient[l] : NULL);
		if (l && drop > 0)
			for (size_t i = 0; i < size; i++)
				b->gradient[l][i] /= 1 - drop;
	}
}

static void load(const struct train_set *set, const uint32_t *order, size_t from, size_t n,
		 struct batch *b)
{
	b->n = n;
	for (size_t k = 0; k < n; k++) {
		size_t row = order ? order[from + k] : from + k;

		memcpy(b->value[0] + k * set->inputs, set->input + row * set->inputs,
		       set->inputs * sizeof(float));
		b->right[k] = set->right[row];
		b->weight[k] = set->weight[row];
	}
}

static double loss_of(const struct train_net *net, const struct train_set *set, struct batch *b)
{
	double loss = 0, weight = 0;

	for (size_t at = 0; at < set->n; at += BATCH_MAX) {
		load(set, NULL, at, set->n - at < BATCH_MAX ? set->n - at : BATCH_MAX, b);
		forward(net, b, 0, NULL);
		loss += softmax_loss(net, b);
		for (size_t k = 0; k < b->n; k++)
			weight += b->weight[k];
	}
	return loss / weight;
}

double train_loss(const struct train_net *net, const struct train_set *set)
{
	struct batch *b = calloc(1, sizeof(*b));
	double loss = b ? loss_of(net, set, b) : NAN;

	free(b);
	return loss;
}

struct adam {
	float *memory, *gradient, *m, *v, *best; /* memory: owned */
	uint32_t *order;			 /* owned */
	struct batch *batch;			 /* owned */
	size_t step, steps;
	struct rng r;
};

static int adam_init(const struct train_cfg *cfg, const struct train_set *set,
		     const struct train_net *net, struct adam *a)
{
	*a = (struct adam){ .memory = calloc(4 * net->count, sizeof(float)),
			    .order = calloc(set->n, sizeof(uint32_t)),
			    .batch = calloc(1, sizeof(struct batch)),
			    .r = rng_new(cfg->seed, 1) };
	if (!a->memory || !a->order || !a->batch)
		return -ENOMEM;
	a->gradient = a->memory;
	a->m = a->memory + net->count;
	a->v = a->memory + 2 * net->count;
	a->best = a->memory + 3 * net->count;
	a->steps = cfg->epochs * (set->n / cfg->batch);
	for (size_t i = 0; i < set->n; i++)
		a->order[i] = i;
	return 0;
}

static void adam_done(struct adam *a)
{
	free(a->memory);
	free(a->order);
	free(a->batch);
}

static void adam_step(const struct train_cfg *cfg, struct adam *a, struct train_net *net)
{
	float done = (float)a->step++ / a->steps, warm = fminf(a->step / 500.0f, 1);
	float rate = cfg->rate * warm * (0.01f + 0.99f * 0.5f * (1 + cosf((float)M_PI * done)));
	float fix1 = 1 - powf(BETA1, a->step), fix2 = 1 - powf(BETA2, a->step);

	for (size_t i = 0; i < net->count; i++) {
		float g = a->gradient[i];

		a->m[i] = BETA1 * a->m[i] + (1 - BETA1) * g;
		a->v[i] = BETA2 * a->v[i] + (1 - BETA2) * g * g;
		net->parameter[i] -= rate * (a->m[i] / fix1 / (sqrtf(a->v[i] / fix2) + 1e-8f) +
					     cfg->decay * net->parameter[i]);
	}
}

static void shuffle(uint32_t *order, size_t n, struct rng *r)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = rng_bits(r) % i;
		uint32_t held = order[i - 1];

		order[i - 1] = order[k];
		order[k] = held;
	}
}

static double train_epoch(const struct train_cfg *cfg, const struct train_set *set, struct adam *a,
			  struct train_net *net)
{
	double loss = 0;
	size_t at;

	shuffle(a->order, set->n, &a->r);
	for (at = 0; at + cfg->batch <= set->n; at += cfg->batch) {
		load(set, a->order, at, cfg->batch, a->batch);
		forward(net, a->batch, cfg->drop, &a->r);
		loss += softmax_loss(net, a->batch);
		backward(net, a->batch, cfg->drop, a->gradient);
		adam_step(cfg, a, net);
	}
	return loss / at;
}

int train_run(const struct train_cfg *cfg, const struct train_set *train,
	      const struct train_set *valid, struct train_net *net)
{
	double best = INFINITY, learned, loss;
	struct adam a;
	int r = adam_init(cfg, train, net, &a);

	for (size_t e = 0; r == 0 && e < cfg->epochs; e++) {
		learned = train_epoch(cfg, train, &a, net);
		loss = loss_of(net, valid, a.batch);
		fprintf(stderr, "epoch %2zu: %.4f, validation %.4f\n", e + 1, learned, loss);
		if (loss >= best)
			continue;
		best = loss;
		memcpy(a.best, net->parameter, net->count * sizeof(float));
	}
	if (r == 0)
		memcpy(net->parameter, a.best, net->count * sizeof(float));
	adam_done(&a);
	return r;
}
