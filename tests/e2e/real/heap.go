// Keeps 64 MB on the heap, drops half of it, gives that back; after each step it says what the
// runtime itself counts, and waits for a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

var kept [][]byte

func account() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	text, _ := json.Marshal(map[string]uint64{
		"committed": m.HeapSys - m.HeapReleased + m.StackInuse,
		"used":      m.HeapAlloc,
	})
	fmt.Println(string(text))
}

func main() {
	in := bufio.NewReader(os.Stdin)
	debug.SetGCPercent(400)
	for i := 0; i < 2048; i++ {
		block := make([]byte, 32768)
		for j := range block {
			block[j] = 1
		}
		kept = append(kept, block)
	}
	account()
	in.ReadString('\n')
	for i := range kept[:1024] {
		kept[i] = nil
	}
	runtime.GC()
	account()
	in.ReadString('\n')
	debug.FreeOSMemory()
	account()
	in.ReadString('\n')
	fmt.Println(len(kept))
}
