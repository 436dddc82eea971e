/* Life of a sink: its private state is allocated zeroed, so that close() is safe at any point. */
#include "report/sink.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

int sink_new(const struct sink_ops *ops, const struct sink_cfg *cfg, struct sink **ret)
{
	auto_clean(sink_freep) struct sink *s = NULL;
	int r;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->ops = ops;
	s->priv = calloc(1, ops->priv_size);
	if (!s->priv)
		return -ENOMEM;
	r = ops->open(s->priv, cfg);
	if (r < 0)
		return r;
	*ret = steal(s);
	return 0;
}

void sink_free(struct sink *s)
{
	if (!s)
		return;
	if (s->priv)
		s->ops->close(s->priv);
	free(s->priv);
	free(s);
}

void sink_freep(struct sink **s)
{
	sink_free(*s);
}
