// Go that keeps, or frees, what C gave it: `kept leak|clean`.
// Says "ready" once it is warm, and its account as a line of JSON for each line that it reads.
package main

/*
#include <stdlib.h>
#include <string.h>
static void *make_record(size_t n) { void *p = malloc(n); if (p) memset(p, 1, n); return p; }
*/
import "C"

import (
	"bufio"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"
)

const size = 20000

var kept []unsafe.Pointer
var made int64

func work(leaks bool) {
	begun := time.Now()
	for n := int64(1); ; n++ {
		p := C.make_record(size)
		if leaks {
			kept = append(kept, p)
		} else {
			C.free(p)
		}
		atomic.AddInt64(&made, 1)
		if n == 25 {
			fmt.Println("ready")
		}
		time.Sleep(time.Until(begun.Add(time.Duration(n) * 40 * time.Millisecond)))
	}
}

func main() {
	leaks := os.Args[1] == "leak"
	go work(leaks)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		n := atomic.LoadInt64(&made)
		fmt.Printf("{\"operations\": %d, \"kept\": %d}\n", n, map[bool]int64{true: n}[leaks])
	}
}
