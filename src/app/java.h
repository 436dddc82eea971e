/* Java's generated code: tells the unwinder where it keeps no frame pointers. */
#pragma once

struct tracee;
struct vma_table;

/*
 * Looks for a Java virtual machine among the mappings, and, until it has set itself up, reads again
 * where its code lies. maps NULL: only the latter. Nothing is said when there is none.
 */
void java_look(struct tracee *t, const struct vma_table *maps);
