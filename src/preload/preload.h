/* What the files of the preloaded library share; all of it is hidden in the library. */
#pragma once
#include "preload/set.h"

extern struct set preload_held; /* sampled blocks that were announced and are live */
