//go:build go1.23
// +build go1.23

package main

import "iter"

func init() {
	extra = append(extra, func() { go rangeOver(); go pull() })
}

// rangeOver defers from the bodies of loops over functions: their records hang together in another way.
func rangeOver() {
	for {
		func() {
			for i := range upTo(9) {
				defer wait(i)
			}
			wait(3)
		}()
	}
}

// pull takes values from a coroutine.
func pull() {
	for {
		next, stop := iter.Pull(upTo(20))
		for i, more := next(); more && i < 15; i, more = next() {
			wait(i)
		}
		stop()
	}
}

func upTo[N int | uint](n N) iter.Seq[N] {
	return func(yield func(N) bool) {
		for i := N(0); i < n && yield(i); i++ {
			churn(int(i))
		}
	}
}
