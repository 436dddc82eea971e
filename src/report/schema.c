/* The embedded schema document; build/schema.h is made from schema.json by the Makefile. */
#include "report/sink.h"

#include "schema.h"

const char *report_schema(void)
{
	return schema_text;
}
