//go:build go1.14
// +build go1.14

package main

// spin runs loops that only a signal can stop: without a frame, with one, and with numbers of all kinds in
// registers.
func spin(k int) {
	switch k {
	case 0:
		bare()
	case 1:
		framed(k)
	default:
		numbers(float64(k))
	}
}

var counters [8]int

// bare is a leaf: its caller's address is in the link register, if there is one.
//
//go:noinline
func bare() {
	for {
		counters[0]++
	}
}

//go:noinline
func framed(k int) {
	var wide [32]int
	for i := k; ; i++ {
		wide[i%32] += i
		counters[1] += wide[(i+7)%32]
	}
}

//go:noinline
func numbers(x float64) {
	y := float32(x)
	for i := uint64(1); ; i++ {
		x, y = x*1.0001+float64(i), y/1.5+float32(x)
		counters[2] = int(x) + int(y)
	}
}
