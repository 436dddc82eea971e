#include "score.h"

int score_cost(const struct score_cfg *cfg)
{
	fprintf(cfg->out, "not there yet\n");
	return 0;
}
