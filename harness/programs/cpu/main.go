// Command cpu computes: it compresses and sorts, for a number of rounds, and prints a sum of all that it has computed.
// It allocates little and makes no system calls meanwhile.
package main

import (
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"os"
	"sort"
	"strconv"
)

func main() {
	rounds := 1
	if len(os.Args) > 1 {
		rounds, _ = strconv.Atoi(os.Args[1])
	}
	state := uint32(1)
	next := func() uint32 {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		return state
	}
	text := make([]byte, 1<<20)
	for i := range text {
		text[i] = "etaoin shrdlu"[next()%13]
	}
	var packed bytes.Buffer
	numbers := make([]int, 1<<17)
	sum := uint32(0)
	for ; rounds > 0; rounds-- {
		packed.Reset()
		w, _ := flate.NewWriter(&packed, 6)
		w.Write(text)
		w.Close()
		sum = crc32.Update(sum, crc32.IEEETable, packed.Bytes())
		for i := range numbers {
			numbers[i] = int(next() >> 1)
		}
		sort.Ints(numbers)
		sum += uint32(numbers[len(numbers)/3])
		copy(text, text[1:])
	}
	fmt.Println(sum)
}
