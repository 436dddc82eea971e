/*
 * A Python extension with a leak, built as distributions build: optimised, no frame pointers.
 * keep(n) asks for n bytes and loses them; borrow(n) asks for n bytes and gives them back.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

static PyObject *ask(PyObject *args, int give_back)
{
	Py_ssize_t size;
	char *p;

	if (!PyArg_ParseTuple(args, "n", &size))
		return NULL;
	p = malloc(size);
	if (!p)
		return PyErr_NoMemory();
	memset(p, 1, size);
	__asm__ volatile("" : : "r"(p) : "memory"); /* or the compiler drops the block */
	if (give_back)
		free(p);
	return PyLong_FromSsize_t(size);
}

static PyObject *keep(PyObject *self, PyObject *args)
{
	(void)self;
	return ask(args, 0);
}

static PyObject *borrow(PyObject *self, PyObject *args)
{
	(void)self;
	return ask(args, 1);
}

static PyMethodDef methods[] = {
	{ "keep", keep, METH_VARARGS, NULL },
	{ "borrow", borrow, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "leaky", NULL, -1, methods };

PyMODINIT_FUNC PyInit_leaky(void)
{
	return PyModule_Create(&module);
}
