//! Functions and program counters.

use serde::{Deserialize, Serialize};

/// A function, with what the linker's tables say of it.
///
/// Some names have a meaning to the runtime. `runtime.sigpanic` is called by a fault and not by an
/// instruction. `runtime.runfinq`, `backgroundgc`, `bgsweep`, `forcegchelper`, `timerproc` and
/// `gcBgMarkWorker` are what system goroutines start with. The frames of `reflect.makeFuncStub` and
/// `reflect.methodValueCall` describe their arguments themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Name without NUL; without one, and with an empty one, the dump says "unknown function".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Source file without NUL; without one, the function has no line tables (assembly code).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line of the entry PC; other lines are those of the [activations](super::Activation).
    #[serde(default)]
    pub line: u32,
    /// The frame in words: outgoing arguments at the bottom, local variables at the top. It does
    /// not count what calls and prologues put there: return PC, link register, saved BP.
    #[serde(default)]
    pub frame: u32,
    /// The size of arguments and results.
    pub args: ArgsSize,
    /// `FUNCDATA_LocalsPointerMaps`.
    #[serde(default)]
    pub locals_map: LocalsMap,
    /// `FUNCDATA_ArgsPointerMaps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_map: Option<Bitmaps>,
    /// Calls nothing and has a frame of zero: machines with a link register do not save it.
    #[serde(default)]
    pub leaf: bool,
}

/// `_func.args`: the size of a function's arguments and results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgsSize {
    /// So many words.
    Words(u32),
    /// `_ArgsSizeUnknown`.
    Unknown,
}

/// A `stackmap` of local variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalsMap {
    /// The function has none: every word of its frame may be a pointer.
    #[default]
    Absent,
    /// A negative `n`: its size in words, at most the frame. Each of these words, counted from the top of the
    /// frame, may be a pointer.
    Size(u32),
    /// Bitmaps, or none of them: then no word is a pointer.
    Bitmaps(Bitmaps),
}

/// The bitmaps of a `stackmap`, all of one length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bitmaps {
    /// `nbit`: the length of each in bits, one for each word. Those of locals describe the topmost
    /// words of the frame, those of arguments the lowest words of the arguments.
    pub bits: u32,
    /// The bitmaps; bits beyond the end of a list are zero.
    pub maps: Vec<Vec<bool>>,
}

impl Bitmaps {
    /// Whether bit `bit` of bitmap `map` is set.
    pub fn is_set(&self, map: usize, bit: usize) -> bool {
        self.maps.get(map).and_then(|bits| bits.get(bit)).copied().unwrap_or(false)
    }
}

/// A program counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pc {
    /// No PC at all.
    #[default]
    Zero,
    /// A number that is no PC of the program: less than 4096, or beyond the text.
    Unknown(u64),
    /// A function's entry.
    Entry(usize),
    /// Where an activation goes on: the return PC of its call.
    Return {
        /// Index of the goroutine, which is not dead.
        goroutine: usize,
        /// Index of the activation, outermost first.
        frame: usize,
    },
}
