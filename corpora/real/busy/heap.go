package main

import (
	"reflect"
	"runtime"
	"time"
)

type tree struct{ left, right *tree }

// leaves are what trees end in: objects of every size class, with and without pointers.
var leaves [64]interface{}

var live [8]*tree

// growTrees builds and drops trees, and with them many spans at once.
func growTrees(depth int) {
	for i := 0; ; i++ {
		live[depth] = grow(depth + i%3)
		if i%16 == 0 {
			live[depth] = nil
		}
		leaves[i%len(leaves)] = leaf(i)
	}
}

//go:noinline
func grow(depth int) *tree {
	if depth == 0 {
		churn(depth)
		return nil
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

// leaf makes an object of some size, with pointers everywhere, at its end or nowhere.
func leaf(i int) interface{} {
	size := 1 + (i*i)%180
	switch i % 6 {
	case 0:
		return make([]byte, size*8)
	case 1:
		s := make([]*tree, size)
		s[size-1] = live[5]
		return s
	case 2:
		return &struct {
			a [5]uintptr
			p *tree
		}{p: live[4]}
	case 3:
		p := new(*tree) // eight bytes with a pointer
		return p
	case 4:
		return make([]byte, 40000+size*100)
	}
	s := make([]interface{}, size%20)
	for j := range s {
		s[j] = j * 1000
	}
	return s
}

var sink interface{}

// churn allocates tiny objects that die at once.
//
//go:noinline
func churn(i int) {
	if i%7 == 0 {
		sink = "tiny" + string(rune('a'+i%26))
	} else {
		sink = i + 1000
	}
}

// churnMaps fills and empties maps and channels, and makes types and functions at run time.
func churnMaps(k int) {
	names := map[string]*tree{}
	numbers := map[int][3]uint16{}
	for i := k; ; i++ {
		names[string(rune('A'+i%26))+string(rune('a'+i/26%26))] = live[i%8]
		numbers[i%5000] = [3]uint16{1: uint16(i)}
		if i%3000 == 0 {
			names = map[string]*tree{}
		}
		if i%50 == 0 {
			made := reflect.MakeMap(reflect.MapOf(reflect.TypeOf(i), reflect.ArrayOf(1+i%9, reflect.TypeOf(k))))
			sink = made.Interface()
			twice := reflect.MakeFunc(reflect.TypeOf(func(int, *tree) int { return 0 }), func(in []reflect.Value) []reflect.Value {
				runtime.Gosched() // in the middle of a call by reflection
				return []reflect.Value{reflect.ValueOf(int(in[0].Int()) * 2)}
			})
			twice.Interface().(func(int, *tree) int)(i, live[4])
			time.Sleep(time.Millisecond)
		}
	}
}

type resource struct {
	id      int
	payload []byte
	next    *resource
}

// keepFinalizing makes more objects with finalizers than these have time for.
func keepFinalizing() {
	var last *resource
	for i := 0; ; i++ {
		r := &resource{id: i, payload: make([]byte, i%300)}
		runtime.SetFinalizer(r, func(r *resource) {
			if r.id%10 == 0 {
				time.Sleep(2 * time.Millisecond)
			}
		})
		tiny := new(byte) // shares its object with others
		runtime.SetFinalizer(tiny, func(*byte) {})
		if i%10 == 0 {
			r.next, last = last, r
		}
		if i%500 == 0 {
			last = nil
		}
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}
