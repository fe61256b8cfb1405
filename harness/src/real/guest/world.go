package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"unsafe"
)

// A world: what there is to be in the process. Its objects are named by their places in Objects.
type world struct {
	Objects     []object    `json:"objects"`
	Held        []int       `json:"held"` // what cells hold, in order
	Goroutines  []goroutine `json:"goroutines"`
	Finalizers  []finalizer `json:"finalizers"`
	Queued      int         `json:"queued"`
	Profile     bool        `json:"profile"`
	Collections int         `json:"collections"`
	Earlier     int         `json:"earlier"` // dumps before anything is freed
}

type object struct {
	Type typ          `json:"type"`
	Set  []assignment `json:"set"`
}

// An assignment gives one of an object's leaves a value; all others are zero.
type assignment struct {
	Leaf  int   `json:"leaf"`
	Value value `json:"value"`
}

// A value has one of these.
type value struct {
	Number  *uint64    `json:"number"`  // of an integer, or in an interface
	Object  *reference `json:"object"`  // the address of another object, or a pointer to it in an interface
	Text    *string    `json:"text"`    // a string
	Map     *int       `json:"map"`     // a map with so many entries
	Chan    *[2]int    `json:"chan"`    // a channel: how many elements it takes, and has
	Closure *int       `json:"closure"` // a function that has captured the address of an object
	Weak    *int       `json:"weak"`    // the handle of a weak pointer to an object
	Shape   *string    `json:"shape"`   // a type with methods, in an interface
}

type reference struct {
	To   int `json:"to"`   // which object
	Leaf int `json:"leaf"` // at which of its leaves
	Len  int `json:"len"`  // of a slice of it
	Cap  int `json:"cap"`
}

type goroutine struct {
	Steps []step `json:"steps"`
	Wait  string `json:"wait"`
}

// A step is a call. What it does until it makes the next one is said by Kind.
type step struct {
	Kind   string `json:"kind"`
	Object int    `json:"object"`
	Count  int    `json:"count"`
}

type finalizer struct {
	Object int    `json:"object"`
	Kind   string `json:"kind"`
}

// cell is what the guest itself has at many places: a pointer, and a number to know it by.
type cell struct {
	p unsafe.Pointer
	n uintptr
}

// magic is what the numbers of cells count from.
const magic uintptr = 0x4d410000

var (
	cells   [512]cell // in bss
	initial = [4]cell{{unsafe.Pointer(&anchor), magic + 512}, {nil, magic + 513}, {unsafe.Pointer(&cells[1]), magic + 514}, {nil, magic + 515}}
	anchor  = &cells[0]
)

func setGlobals() {
	told.Cells, told.Initial = uintptr(unsafe.Pointer(&cells)), uintptr(unsafe.Pointer(&initial))
	told.Anchor = uintptr(unsafe.Pointer(&anchor))
	told.Number = typeWord(named["uint64"])
	told.Start = reflect.ValueOf((*routine).start).Pointer()
}

// A typ is a type as JSON: a name, or an object with the name of what it is made by and of what.
type typ struct{ reflect.Type }

var named = map[string]reflect.Type{
	"bool":       reflect.TypeOf(false),
	"uint8":      reflect.TypeOf(uint8(0)),
	"uint16":     reflect.TypeOf(uint16(0)),
	"uint32":     reflect.TypeOf(uint32(0)),
	"uint64":     reflect.TypeOf(uint64(0)),
	"uintptr":    reflect.TypeOf(uintptr(0)),
	"float64":    reflect.TypeOf(float64(0)),
	"complex128": reflect.TypeOf(complex128(0)),
	"string":     reflect.TypeOf(""),
	"unsafe":     reflect.TypeOf(unsafe.Pointer(nil)),
	"cell":       reflect.TypeOf(cell{}),
	"any":        reflect.TypeOf((*interface{})(nil)).Elem(),
	"shape":      reflect.TypeOf((*shape)(nil)).Elem(),
}

func (t *typ) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		name := string(text[1 : len(text)-1])
		if t.Type = named[name]; t.Type == nil {
			return fmt.Errorf("no type %s", name)
		}
		return nil
	}
	var made struct {
		Pointer *typ            `json:"pointer"`
		Slice   *typ            `json:"slice"`
		Chan    *typ            `json:"chan"`
		Map     *[2]typ         `json:"map"`
		Func    *[2][]typ       `json:"func"`
		Struct  *[]typ          `json:"struct"`
		Array   json.RawMessage `json:"array"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return err
	}
	switch {
	case made.Pointer != nil:
		t.Type = reflect.PointerTo(made.Pointer.Type)
	case made.Slice != nil:
		t.Type = reflect.SliceOf(made.Slice.Type)
	case made.Chan != nil:
		t.Type = reflect.ChanOf(reflect.BothDir, made.Chan.Type)
	case made.Map != nil:
		t.Type = reflect.MapOf(made.Map[0].Type, made.Map[1].Type)
	case made.Func != nil:
		t.Type = reflect.FuncOf(types(made.Func[0]), types(made.Func[1]), false)
	case made.Struct != nil:
		fields := make([]reflect.StructField, len(*made.Struct))
		for i, f := range *made.Struct {
			fields[i] = reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: f.Type}
		}
		t.Type = reflect.StructOf(fields)
	case made.Array != nil:
		var length int
		var element typ
		if err := json.Unmarshal(made.Array, &[2]interface{}{&length, &element}); err != nil {
			return err
		}
		t.Type = reflect.ArrayOf(length, element.Type)
	default:
		return fmt.Errorf("no type: %s", text)
	}
	return nil
}

func types(list []typ) []reflect.Type {
	types := make([]reflect.Type, len(list))
	for i, t := range list {
		types[i] = t.Type
	}
	return types
}

// leaves is how many there are in a type: its parts that are no structs and arrays.
func leaves(t reflect.Type) int {
	switch t.Kind() {
	case reflect.Struct:
		n := 0
		for i := 0; i < t.NumField(); i++ {
			n += leaves(t.Field(i).Type)
		}
		return n
	case reflect.Array:
		return t.Len() * leaves(t.Elem())
	}
	return 1
}

// leaf is one of them: where it is, and of which type.
func leaf(t reflect.Type, index int) (uintptr, reflect.Type) {
	switch t.Kind() {
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			if n := leaves(f.Type); index >= n {
				index -= n
				continue
			}
			offset, t := leaf(f.Type, index)
			return f.Offset + offset, t
		}
	case reflect.Array:
		n := leaves(t.Elem())
		offset, found := leaf(t.Elem(), index%n)
		return uintptr(index/n)*t.Elem().Size() + offset, found
	}
	return 0, t
}
