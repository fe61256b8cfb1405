//! What the commands that ask why memory is held have in common: the heap of a dump, and the lines that say what it
//! was made of.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use heapmatrix_analysis::graph::Counts;
use heapmatrix_analysis::heap::Heap;
use heapmatrix_analysis::naming::{Origin, Typed};
use heapmatrix_analysis::sidecar::Kept;
use heapmatrix_analysis::types::{Binary, BinaryError, Typing};
use heapmatrix_reader::{Dump, Index, Version};
use indicatif::ProgressBar;
use memmap2::Mmap;
use serde::Serialize;

use super::beside::program_of;
use super::input::Input;
use super::kept::{Sidecar, When};
use super::out::{FAINT, Out};
use super::output::refuse_input;
use super::{note, progress};
use crate::units::{Count, Size, Things};

/// Where a heap comes from.
#[derive(Debug, clap::Args)]
pub struct Source {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    program: Program,
}

/// The program whose heap a dump is of.
#[derive(Debug, clap::Args)]
pub struct Program {
    /// The program that wrote the dump, for the names of types, variables and fields [default: FILE.exe, which exec leaves
    /// beside a dump]
    #[arg(long, value_name = "BINARY")]
    exe: Option<PathBuf>,
    /// Whether to keep what was found in FILE.hmx, with which the next command starts at once: auto (of dumps of 32 MiB or
    /// more), always or never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    index: When,
}

impl Program {
    /// Maps the file of the program of a dump: the one that is named, or the one beside the dump.
    fn map(&self, input: &Input) -> Result<Option<Mapped>, String> {
        let explain = |path: &Path, error: io::Error| format!("cannot read {}: {error}", path.display());
        if let Some(path) = &self.exe {
            let map = map_file(path).map_err(|error| explain(path, error))?;
            return Ok(Some(Mapped { map, path: path.clone(), named: true }));
        }
        let Some(path) = self.path(input).filter(|path| path.is_file()) else { return Ok(None) };
        match map_file(&path) {
            Ok(map) => Ok(Some(Mapped { map, path, named: false })),
            Err(error) => {
                note(format_args!("note: {}, and it is not used", explain(&path, error)));
                Ok(None)
            }
        }
    }

    /// Where the program of a dump is, or would be.
    fn path(&self, input: &Input) -> Option<PathBuf> {
        self.exe.clone().or_else(|| input.plain_path().map(program_of))
    }
}

/// Maps a plain file: another, such as a pipe, might keep us waiting.
fn map_file(path: &Path) -> io::Result<Mmap> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let file = File::open(path)?;
    // SAFETY: the bytes are plain, and nothing is assumed of them that would not be checked when they are read. A file
    // that another process shortens meanwhile ends this one, as it does with every mapped file.
    unsafe { Mmap::map(&file) }
}

/// A program's file.
struct Mapped {
    map: Mmap,
    path: PathBuf,
    /// Whether somebody has named it; otherwise it was found beside the dump.
    named: bool,
}

impl Mapped {
    /// An error about it.
    fn explain(&self, error: &BinaryError) -> String {
        format!("{}: {error}", self.path.display())
    }
}

impl Source {
    /// Refuses to write to what is read: the dump and its program.
    ///
    /// # Errors
    /// If `output` is one of them, by whatever name.
    pub fn refuse_output(&self, output: &Path) -> Result<(), String> {
        let program = self.program.path(&self.input).and_then(|path| fs::metadata(path).ok());
        self.input.metadata().iter().chain(&program).try_for_each(|input| refuse_input(output, input))
    }

    /// Whether the dump is standard input.
    pub fn is_standard_input(&self) -> bool {
        self.input.plain_path().is_none()
    }

    /// The program whose heap it is.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// How messages name the dump.
    pub fn name(&self) -> String {
        self.input.name()
    }

    /// Reads the dump, and hands its heap to `run`.
    ///
    /// # Errors
    /// Those of reading the dump, and of `run`.
    pub fn with_heap<T>(
        &self,
        run: impl FnOnce(&Heap<'_, '_>) -> Result<T, Box<dyn std::error::Error>>,
    ) -> Result<T, Box<dyn std::error::Error>> {
        with_heap(&self.input, &self.program, run)
    }
}

/// Two dumps of one process.
#[derive(Debug, clap::Args)]
pub struct Pair {
    /// The dump that was made first; - is standard input, and Zstandard and gzip are recognised
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The dump that was made later
    #[arg(value_name = "NEW")]
    new: PathBuf,
    #[command(flatten)]
    program: Program,
}

impl Pair {
    /// Reads the dumps, and hands their heaps to `run`.
    ///
    /// # Errors
    /// Those of reading the dumps, and of `run`.
    pub fn with_heaps<T>(
        &self,
        run: impl FnOnce(&Heap<'_, '_>, &Heap<'_, '_>) -> Result<T, Box<dyn std::error::Error>>,
    ) -> Result<T, Box<dyn std::error::Error>> {
        let (old, new) = (Input::new(self.old.clone()), Input::new(self.new.clone()));
        if old.plain_path().is_none() && new.plain_path().is_none() {
            return Err("only one of two dumps can be standard input".into());
        }
        let program = &self.program;
        with_heap(&old, program, |old| with_heap(&new, program, |new| run(old, new)))
    }
}

/// Reads a dump, and hands its heap to `run`.
///
/// # Errors
/// Those of reading the dump, and of `run`.
pub fn with_heap<T>(
    input: &Input,
    program: &Program,
    run: impl FnOnce(&Heap<'_, '_>) -> Result<T, Box<dyn std::error::Error>>,
) -> Result<T, Box<dyn std::error::Error>> {
    let whole = input.whole()?;
    let explain = |error: heapmatrix_reader::Error| input.explain(error.into());
    let dump = Dump::new(whole.bytes()).map_err(explain)?;
    let mut mapped = program.map(input)?;
    // What nobody has named is only used if it is right.
    if let Some(found) = mapped.take_if(|mapped| !mapped.named && Binary::open(&mapped.map).is_err()) {
        note(format_args!("note: {} is no program, and not used", found.path.display()));
    }
    let file = mapped.as_ref().map(|mapped| &mapped.map[..]);
    let of_program = |error: BinaryError| match &mapped {
        Some(mapped) => mapped.explain(&error),
        None => error.to_string(),
    };
    let mut sidecar = Sidecar::new(input, program.index, whole.bytes(), file);
    if let Some(kept) = sidecar.as_mut().and_then(|sidecar| sidecar.read(dump)) {
        let Kept { index, typing, graph, dominators, retained } = kept;
        let binary = file.map(Binary::open_for_values).transpose().map_err(of_program)?;
        let naming = Typed { index: &index, typing: &typing, binary: binary.as_ref() };
        return run(&Heap::of_parts(&index, &naming, (graph, dominators, retained)));
    }
    let bar = Steps::new(whole.bytes().len());
    bar.say("reading objects");
    let index = Index::new(dump).map_err(explain)?;
    bar.say("finding types");
    let mut binary = file.map(Binary::open).transpose().map_err(of_program)?;
    let typing = match Typing::new(&index, binary.as_ref()) {
        Err(error) if mapped.as_ref().is_some_and(|mapped| !mapped.named) => {
            note(format_args!("note: {}, and it is not used", of_program(error)));
            (binary, sidecar) = (None, None);
            Typing::new(&index, None)
        }
        typing => typing,
    };
    let typing = typing.map_err(of_program)?;
    let binary = binary.map(Binary::into_values);
    let naming = Typed { index: &index, typing: &typing, binary: binary.as_ref() };
    bar.say("following pointers");
    let heap = Heap::with_naming(&index, &naming).map_err(|error| format!("{}: {error}", input.name()))?;
    drop(bar);
    let result = run(&heap)?;
    if let Some(sidecar) = &sidecar {
        sidecar.write(&heap, &typing);
    }
    Ok(result)
}

/// What is being done, on a terminal.
struct Steps(Option<ProgressBar>);

impl Steps {
    fn new(length: usize) -> Self {
        // What takes less than a moment needs no bar.
        Self((length > 4 << 20).then(progress::spinner))
    }

    fn say(&self, what: &'static str) {
        if let Some(bar) = &self.0 {
            bar.set_message(what);
        }
    }
}

/// What a heap was made of.
#[derive(Debug, Serialize)]
pub struct Basis {
    format: &'static str,
    objects: u64,
    bytes: u64,
    unreached_objects: u64,
    unreached_bytes: u64,
    /// Records that are no objects, which were left out.
    slots_left_out: u64,
    /// How many objects the runtime counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    heap_objects: Option<u64>,
    goroutines: u64,
    frames: u64,
    /// Of that the type is known of so many.
    typed_bytes: u64,
    /// Whether the dump has no roots.
    without_roots: bool,
    /// Where types come from.
    #[serde(skip)]
    origin: Origin,
    /// Words of frames that are followed and that the dump does not list as pointers.
    conservative_words: u64,
}

impl Basis {
    /// That of a heap.
    pub fn new(heap: &Heap<'_, '_>) -> Self {
        let Counts { slots, heap_objects, goroutines, frames, conservative, .. } = *heap.graph().counts();
        let (reached, unreached) = (heap.reached(), heap.unreached());
        Self {
            format: Version::name(heap.dump().version()),
            objects: reached.objects,
            bytes: reached.bytes,
            unreached_objects: unreached.objects,
            unreached_bytes: unreached.bytes,
            slots_left_out: slots.slots,
            heap_objects,
            goroutines,
            frames,
            typed_bytes: heap.naming().typed_bytes(&|object| heap.dominators().reaches(object)),
            without_roots: heap.graph().is_without_roots(),
            origin: heap.naming().origin(),
            conservative_words: conservative,
        }
    }

    /// Of how much the type is known.
    pub fn typed(&self) -> String {
        share(self.typed_bytes, self.bytes)
    }

    /// Why little is known of types, if it is little.
    pub fn advice(&self) -> Option<&'static str> {
        match self.origin {
            _ if self.typed_bytes >= self.bytes / 10 * 9 => None,
            Origin::Dump => Some("--exe PROGRAM tells the others"),
            Origin::Descriptors => Some("the program has no debugging information"),
            Origin::Program => None,
        }
    }

    /// What it is in a line, and how it was found out in another.
    pub fn lines(&self) -> Vec<String> {
        let mut alive = format!("{} alive, {}", Things(self.objects, "object"), Size(self.bytes));
        if self.unreached_objects > 0 {
            let (objects, bytes) = (Things(self.unreached_objects, "object"), Size(self.unreached_bytes));
            alive += &format!("; no root reaches {objects}, {bytes}");
        }
        alive += &format!("; types are known of {}", self.typed());
        if let Some(advice) = self.advice() {
            alive += &format!(" ({advice})");
        }
        let mut notes = Vec::new();
        if self.without_roots {
            notes.push(
                "the dump has no roots (it was cut off?): what no other object points to is counted as alive"
                    .to_owned(),
            );
        }
        if self.conservative_words > 0 {
            notes.push(format!(
                "{} of {} followed that the dump does not list as pointers",
                Things(self.conservative_words, "word"),
                Things(self.frames, "stack frame"),
            ));
        }
        if self.slots_left_out > 0 {
            notes.push(format!("{} left out that hold no object", Things(self.slots_left_out, "record")));
        }
        if let Some(counted) = self.heap_objects {
            notes.push(match counted.abs_diff(self.objects + self.unreached_objects) {
                0 => format!("the runtime counted {} as well", Things(counted, "object")),
                _ => format!("the runtime counted {}", Things(counted, "object")),
            });
        }
        [alive, notes.join("; ")].into_iter().filter(|line| !line.is_empty()).collect()
    }

    /// Says it in two lines.
    pub fn print(&self, out: &mut Out<'_>) -> io::Result<()> {
        let lines = self.lines();
        out.line(&lines[0])?;
        lines[1..].iter().try_for_each(|line| out.painted_line(FAINT, line))
    }
}

/// A part of a whole, in percent with one digit.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 { "0.0%".to_owned() } else { format!("{:.1}%", part as f64 * 100.0 / whole as f64) }
}

/// A number of bytes as a column has it.
pub fn column(bytes: u64) -> String {
    Size(bytes).to_string()
}

/// A line for what a limit leaves out.
pub fn more(out: &mut Out<'_>, count: u64, thing: &'static str) -> io::Result<()> {
    if count == 0 {
        Ok(())
    } else {
        out.painted_line(FAINT, format_args!("… {} more (--limit)", Rest(count, thing)))
    }
}

/// How many things are left.
struct Rest(u64, &'static str);

impl std::fmt::Display for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}{}", Count(self.0), self.1, if self.0 == 1 { "" } else { "s" })
    }
}
