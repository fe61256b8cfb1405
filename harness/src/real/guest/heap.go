package main

import (
	"fmt"
	"reflect"
	"unsafe"
)

// What an interface with methods can hold: a value behind a pointer, or one that is a pointer itself.
type (
	shape  interface{ Area() int }
	point  struct{ x, y int32 }
	square struct{ side int }
	boxed  struct{ only *square }
	label  string
	table  map[string]int
	empty  struct{}
)

func (p point) Area() int   { return int(p.x) * int(p.y) }
func (s *square) Area() int { return s.side * s.side }
func (b boxed) Area() int   { return b.only.Area() }
func (l label) Area() int   { return len(l) }
func (t table) Area() int   { return len(t) }
func (empty) Area() int     { return 0 }

var shapes = map[string]shape{
	"point":  point{2, 3},
	"square": &square{4},
	"boxed":  boxed{&square{5}},
	"label":  label("label"),
	"table":  table{"a": 1},
	"empty":  empty{},
}

// words are the two words of an interface.
type words struct {
	typ  unsafe.Pointer
	data unsafe.Pointer
}

// typeWord is the address of a type's descriptor.
func typeWord(t reflect.Type) uintptr { return uintptr((*words)(unsafe.Pointer(&t)).data) }

// makeObjects allocates what the world has, and reports where.
func makeObjects(specs []object) []unsafe.Pointer {
	objects := make([]unsafe.Pointer, len(specs))
	told.Objects = make([]made, len(specs))
	for i, spec := range specs {
		value := reflect.New(spec.Type.Type)
		objects[i] = value.UnsafePointer()
		told.Objects[i] = made{uintptr(objects[i]), typeWord(value.Type())}
	}
	for name, s := range shapes {
		w := (*words)(unsafe.Pointer(&s))
		told.Shapes[name] = made{uintptr(w.typ), typeWord(reflect.TypeOf(s))}
	}
	return objects
}

// linkObjects gives objects their values.
func linkObjects(specs []object, objects []unsafe.Pointer) {
	for i, spec := range specs {
		for _, a := range spec.Set {
			offset, t := leaf(spec.Type.Type, a.Leaf)
			at := unsafe.Add(objects[i], offset)
			if part := set(at, t, a.Value, specs, objects); part != 0 {
				told.Parts = append(told.Parts, owned{i, a.Leaf, part})
			}
		}
	}
}

// set gives a variable of the type t a value. It returns the address of what it has allocated for that.
func set(at unsafe.Pointer, t reflect.Type, v value, specs []object, objects []unsafe.Pointer) uintptr {
	variable := reflect.NewAt(t, at).Elem()
	switch {
	case v.Object != nil && t.Kind() == reflect.Interface:
		variable.Set(reflect.NewAt(specs[v.Object.To].Type.Type, objects[v.Object.To]))
	case v.Object != nil:
		offset, _ := leaf(specs[v.Object.To].Type.Type, v.Object.Leaf)
		*(*unsafe.Pointer)(at) = unsafe.Add(objects[v.Object.To], offset)
		if t.Kind() == reflect.Slice {
			header := (*[3]uintptr)(at)
			header[1], header[2] = uintptr(v.Object.Len), uintptr(v.Object.Cap)
		}
	case v.Closure != nil:
		f := capture(objects[*v.Closure])
		*(*unsafe.Pointer)(at) = *(*unsafe.Pointer)(unsafe.Pointer(&f))
		return *(*uintptr)(at)
	case v.Weak != nil:
		*(*unsafe.Pointer)(at) = weakHandle(objects[*v.Weak])
		return *(*uintptr)(at)
	case v.Text != nil:
		*(*string)(at) = string(append([]byte(nil), *v.Text...))
		return *(*uintptr)(at)
	case v.Map != nil:
		m := reflect.MakeMapWithSize(t, *v.Map)
		for i := 0; i < *v.Map; i++ {
			m.SetMapIndex(key(t.Key(), i), reflect.Zero(t.Elem()))
		}
		variable.Set(m)
		return *(*uintptr)(at)
	case v.Chan != nil:
		c := reflect.MakeChan(t, v.Chan[0])
		for i := 0; i < v.Chan[1]; i++ {
			c.Send(reflect.Zero(t.Elem()))
		}
		variable.Set(c)
		return *(*uintptr)(at)
	case v.Shape != nil:
		variable.Set(reflect.ValueOf(shapes[*v.Shape]))
	case v.Number != nil:
		setNumber(variable, *v.Number)
		if t.Kind() == reflect.Interface {
			return uintptr((*words)(at).data)
		}
	}
	return 0
}

// key is the i-th key of a map.
func key(t reflect.Type, i int) reflect.Value {
	if t.Kind() == reflect.String {
		return reflect.ValueOf(fmt.Sprint("key ", i))
	}
	k := reflect.New(t).Elem()
	k.SetUint(uint64(i))
	return k
}

func setNumber(variable reflect.Value, n uint64) {
	switch variable.Kind() {
	case reflect.Bool:
		variable.SetBool(n&1 != 0)
	case reflect.Float64, reflect.Complex128:
		// A pattern of bits, whatever number that is.
		*(*uint64)(variable.Addr().UnsafePointer()) = n
	case reflect.Interface:
		variable.Set(reflect.ValueOf(n))
	default:
		variable.SetUint(n)
	}
}

//go:noinline
func capture(p unsafe.Pointer) func() unsafe.Pointer {
	return func() unsafe.Pointer { return p }
}
