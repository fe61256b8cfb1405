//go:build !go1.14
// +build !go1.14

package main

// spin calls something, where the scheduler may stop it.
func spin(k int) {
	for i := k; ; i++ {
		counters[k] += count(i)
	}
}

var counters [8]int

//go:noinline
func count(i int) int {
	var wide [32]int
	for j := range wide { // Go 1.5 would inline it without a loop
		wide[j] = i
	}
	return wide[i%32] + 1
}
