package main

import "reflect"

// kept is what stays of all that is allocated.
var kept []interface{}

// sizes has one of each size class up to 512 bytes on machines of 64 bits, and two larger ones, in words of 8 bytes.
var sizes = []int{1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 128}

// fill makes objects of every small size, with pointers and without, and keeps of each the last few of a span, the
// first, a third, or all.
func fill() {
	var some [][]interface{}
	for _, size := range sizes {
		for _, element := range []reflect.Type{reflect.TypeOf(uint64(0)), reflect.TypeOf((*uint64)(nil))} {
			// More than a span has, so that some span's end is reached.
			number := 8192/int(element.Size())/size + 3
			objects := make([]interface{}, number)
			for i := range objects {
				objects[i] = reflect.New(reflect.ArrayOf(size, element)).Interface()
			}
			some = append(some, objects)
		}
	}
	for k, objects := range some {
		for i, object := range objects {
			var keep bool
			switch k / 2 % 4 { // each size has two lists
			case 0:
				keep = i >= len(objects)-6
			case 1:
				keep = i == 0
			case 2:
				keep = i%3 == 0
			case 3:
				keep = true
			}
			if keep {
				kept = append(kept, object)
			}
		}
	}
}
