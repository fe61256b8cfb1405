//! What there is to be in a Go process: types, objects, roots, goroutines and finalizers, without an address or a size.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A world. Its JSON is what the [guest](super::guest) reads. Objects are named by their places in `objects`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// What is allocated, in this order.
    pub objects: Vec<Object>,
    /// The objects that global variables hold.
    pub held: Vec<usize>,
    /// The goroutines that are started, in this order.
    pub goroutines: Vec<Goroutine>,
    /// The finalizers that are set on objects.
    pub finalizers: Vec<Finalizer>,
    /// How many finalizers are due and not done. The first is running, and never ends.
    pub queued: u64,
    /// Whether every allocation is sampled for the memory profile.
    pub profile: bool,
    /// How many collections there are besides those that every world has.
    pub collections: u64,
    /// How many dumps the process makes before it frees anything: the last one is judged.
    #[serde(default)]
    pub earlier: u64,
}

/// An object: what `reflect.New` returns for a type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its type.
    #[serde(rename = "type")]
    pub typ: Type,
    /// What is not zero in it, by leaf.
    pub set: Vec<Assignment>,
}

/// A leaf of an object, and its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The leaf's number. Leaves are the parts of a type that are no structs and arrays, in order.
    pub leaf: u64,
    /// Its value.
    pub value: Value,
}

/// A Go type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are Go's")]
pub enum Type {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float64,
    Complex128,
    String,
    /// `unsafe.Pointer`.
    Unsafe,
    /// A named struct of the guest's: an `unsafe.Pointer` and a `uintptr`.
    Cell,
    Any,
    /// An interface of the guest's that has a method.
    Shape,
    Pointer(Box<Type>),
    Slice(Box<Type>),
    Chan(Box<Type>),
    Map(Box<Type>, Box<Type>),
    /// Parameters and results.
    Func(Vec<Type>, Vec<Type>),
    Struct(Vec<Type>),
    Array(u64, Box<Type>),
}

/// The value of a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Of an integer, the bits of a floating-point number, or a `uint64` in an interface.
    Number(u64),
    /// A pointer to another object, also as a slice or in an interface.
    Object(Reference),
    /// A string, which is allocated.
    Text(String),
    /// A map with so many entries.
    Map(u64),
    /// A channel: how many elements it takes, and has.
    Chan(u64, u64),
    /// A function that has captured the address of an object.
    Closure(usize),
    /// A weak pointer to an object, as the handle that it is. Before Go 1.24 there are none, and the value is zero.
    Weak(usize),
    /// One of [`SHAPES`] in an interface that has a method.
    Shape(String),
}

/// A pointer to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Which.
    pub to: usize,
    /// To which of its leaves.
    pub leaf: u64,
    /// The length of a slice.
    pub len: u64,
    /// The capacity of a slice.
    pub cap: u64,
}

/// Makes a type: constants cannot have boxes in them.
type MakeType = fn() -> Type;

/// The types of the guest's that [`Type::Shape`] can hold: its name for each, the name that a dump has, and its type.
pub const SHAPES: [(&str, &str, MakeType); 6] = [
    ("point", "main.point", || Type::Struct(vec![Type::Uint32, Type::Uint32])),
    ("square", "*main.square", || Type::Unsafe),
    ("boxed", "main.boxed", || Type::Unsafe),
    ("label", "main.label", || Type::String),
    ("table", "main.table", || Type::Unsafe),
    ("empty", "main.empty", || Type::Struct(vec![])),
];

/// A goroutine: calls, the first one outermost, and what it waits for in the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goroutine {
    /// The calls.
    pub steps: Vec<Step>,
    /// What it waits for.
    pub wait: Wait,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What the function does before it makes the next call.
    pub kind: StepKind,
    /// The object that it gets.
    pub object: usize,
    /// How many times it does it: where that can be chosen.
    pub count: u64,
}

/// Declares what goroutines do, with the guest's name for each.
macro_rules! named {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $what:literal])+ $variant:ident = $text:literal,)* }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $what])+ #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// All of them, the simplest first.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The guest's name for it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

named! {
    /// What a function does before it makes the next call. Source: the guest's `steps.go`.
    StepKind {
        /// Nothing.
        Plain = "plain",
        /// It has arguments of many kinds, and results.
        Arguments = "arguments",
        /// It has variables whose addresses are taken.
        Locals = "locals",
        /// It calls itself.
        Deep = "deep",
        /// It has a frame of 5,000 bytes.
        Wide = "wide",
        /// It defers in a loop: records on the heap.
        LoopDefers = "loop defers",
        /// It defers where that needs no records.
        OpenDefers = "open defers",
        /// It defers more than that is done for: records on the stack.
        StackDefers = "stack defers",
        /// It panics with its object, and goes on in a deferred function.
        Panics = "panics",
        /// It panics with a number.
        PanicsWithNumber = "panics with number",
        /// It panics again in a deferred function.
        PanicsTwice = "panics twice",
        /// It recovers from its panic.
        Recovers = "recovers",
        /// It calls `runtime.Goexit`.
        Goexits = "goexits",
        /// It follows a nil pointer.
        Traps = "traps",
        /// It is a closure.
        Closure = "closure",
        /// It is a method that is called through an interface.
        Method = "method",
        /// It is one of a value that does not fit into a register.
        ValueMethod = "value method",
        /// It is generic, of a pointer.
        Generic = "generic",
        /// It is generic, of a number.
        GenericNumber = "generic number",
        /// `reflect.Value.Call` calls it.
        Reflected = "reflected",
        /// `reflect.MakeFunc` has made it.
        Made = "made",
    }
}

named! {
    /// What a goroutine waits for. Source: the guest's `goroutines.go`.
    Wait {
        /// An element of a channel.
        Receive = "receive",
        /// Somebody who takes one.
        Send = "send",
        /// A channel that is nil.
        NilReceive = "nil receive",
        /// The same.
        NilSend = "nil send",
        /// One of several channels.
        Select = "select",
        /// Nothing.
        Block = "block",
        /// A time.
        Sleep = "sleep",
        /// A `sync.Mutex`.
        Mutex = "mutex",
        /// A `sync.RWMutex`.
        RwMutex = "rwmutex",
        /// A `sync.Cond`.
        Cond = "cond",
        /// A `sync.WaitGroup`.
        WaitGroup = "waitgroup",
        /// A pipe, through the poller.
        Pipe = "pipe",
        /// A pipe, in a system call.
        Syscall = "syscall",
        /// A channel, with its thread to itself.
        Locked = "locked",
        /// Its turn: it has run, and yielded.
        Yield = "yield",
        /// Its first turn: it has not run, and so has no steps.
        Runnable = "runnable",
    }
}

/// A finalizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finalizer {
    /// Its object.
    pub object: usize,
    /// What kind of function it is.
    pub kind: FinalizerKind,
}

named! {
    /// What kind of function a finalizer is. Source: the guest's `finalizers.go`.
    FinalizerKind {
        /// One of an `interface{}`.
        Any = "any",
        /// A closure.
        Closure = "closure",
        /// One of the object's type that `reflect` has made.
        Made = "made",
        /// The same, with results.
        Results = "results",
        /// None: a cleanup, which is in no dump. Before Go 1.24 there are none.
        Cleanup = "cleanup",
    }
}

impl World {
    /// Whether all that is named is there, and the guest can make it.
    ///
    /// # Errors
    /// What cannot be.
    pub fn check(&self) -> Result<(), String> {
        let count = self.objects.len();
        let held = self.held.iter().map(|&object| ("held", object));
        let steps =
            self.goroutines.iter().flat_map(|g| g.steps.iter().map(|step| ("a step's object", step.object)));
        let finalizers = self.finalizers.iter().map(|f| ("a finalizer's object", f.object));
        let values = self.objects.iter().flat_map(|object| &object.set).filter_map(|a| match &a.value {
            Value::Object(reference) => Some(("a value", reference.to)),
            Value::Closure(object) => Some(("a closure's object", *object)),
            Value::Weak(object) => Some(("a weak pointer's object", *object)),
            _ => None,
        });
        for (what, object) in held.chain(steps).chain(finalizers).chain(values) {
            if object >= count {
                return Err(format!("{what} is object {object}, and there are {count}"));
            }
        }
        if self.held.len() > 512 {
            return Err(format!("{} objects are held, and there is room for 512", self.held.len()));
        }
        for (i, object) in self.objects.iter().enumerate() {
            let leaves = super::layout::leaves(&object.typ);
            if let Some(beyond) = object.set.iter().find(|a| a.leaf >= leaves) {
                return Err(format!("object {i} has {leaves} leaves, and leaf {} is set", beyond.leaf));
            }
        }
        Ok(())
    }

    /// The world without an object, and without all that names it.
    pub fn without(&self, object: usize) -> World {
        // Those after it move up.
        let keep = |place: &mut usize| {
            let keep = *place != object;
            *place -= usize::from(*place > object);
            keep
        };
        let mut world = self.clone();
        world.objects.remove(object);
        world.held.retain_mut(keep);
        world.finalizers.retain_mut(|finalizer| keep(&mut finalizer.object));
        for goroutine in &mut world.goroutines {
            goroutine.steps.retain_mut(|step| keep(&mut step.object));
        }
        for object in &mut world.objects {
            object.set.retain_mut(|set| match &mut set.value {
                Value::Object(Reference { to, .. }) | Value::Closure(to) | Value::Weak(to) => keep(to),
                _ => true,
            });
        }
        world
    }

    /// The objects that are alive: global variables, goroutines, and what they reach. The collector frees the others.
    pub fn alive(&self) -> BTreeSet<usize> {
        let steps = self.goroutines.iter().flat_map(|g| g.steps.iter().map(|step| step.object));
        let mut todo: Vec<usize> = self.held.iter().copied().chain(steps).collect();
        let mut alive = BTreeSet::new();
        while let Some(object) = todo.pop() {
            if alive.insert(object) {
                todo.extend(self.objects[object].set.iter().filter_map(|a| match &a.value {
                    Value::Object(reference) => Some(reference.to),
                    Value::Closure(object) => Some(*object),
                    _ => None,
                }));
            }
        }
        alive
    }
}
