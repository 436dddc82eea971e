/* The rows of how everything grows, as they are told: opinion, severity, forecast, advice. */
#pragma once
#include "analyse/judge.h"
#include "analyse/subjects.h"

/* Subjects of which no shape is known have no row. -ENOMEM leaves *ret untouched. */
int patterns_build(const struct judge_cfg *cfg, const struct subjects *s,
		   const struct judge_input *in, const struct findings *findings,
		   struct patterns *ret);
