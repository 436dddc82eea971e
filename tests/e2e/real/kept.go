// Go that keeps, or frees, what C gave it: `kept record|string|zlib leak|clean`.
// Says "ready" once it is warm, and its account as a line of JSON for each line that it reads.
package main

/*
#cgo LDFLAGS: -lz
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
static void *make_record(size_t n) { void *p = malloc(n); if (p) memset(p, 1, n); return p; }
static z_stream *make_stream(void) {
	z_stream *z = calloc(1, sizeof(*z));
	if (!z || deflateInit(z, 6) != Z_OK)
		abort();
	return z;
}
static void end_stream(z_stream *z) { deflateEnd(z); free(z); }
*/
import "C"

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

const size = 20000

var text = strings.Repeat("x", size-1)
var kept []unsafe.Pointer
var made int64

func keepRecord(leaks bool) {
	p := C.make_record(size)
	if leaks {
		kept = append(kept, p)
	} else {
		C.free(p)
	}
}

func keepString(leaks bool) {
	p := C.CString(text)
	if leaks {
		kept = append(kept, unsafe.Pointer(p))
	} else {
		C.free(unsafe.Pointer(p))
	}
}

func keepStream(leaks bool) {
	z := C.make_stream()
	if leaks {
		kept = append(kept, unsafe.Pointer(z))
	} else {
		C.end_stream(z)
	}
}

func work(kind string, leaks bool) {
	keep := map[string]func(bool){"record": keepRecord, "string": keepString, "zlib": keepStream}[kind]
	begun := time.Now()
	for n := int64(1); ; n++ {
		keep(leaks)
		atomic.AddInt64(&made, 1)
		if n == 25 {
			fmt.Println("ready")
		}
		time.Sleep(time.Until(begun.Add(time.Duration(n) * 40 * time.Millisecond)))
	}
}

func main() {
	leaks := os.Args[2] == "leak"
	go work(os.Args[1], leaks)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		n := atomic.LoadInt64(&made)
		fmt.Printf("{\"operations\": %d, \"kept\": %d}\n", n, map[bool]int64{true: n}[leaks])
	}
}
