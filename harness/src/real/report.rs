//! What the guest says of where it has put its world. Source: the guest's `report.go`.
//!
//! None of it comes from the dump: addresses are those of the program's own pointers, and figures what the runtime
//! says through its public functions right before the dump.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

/// The report.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Report {
    /// `runtime.Version()`.
    pub version: String,
    /// `runtime.GOARCH`.
    pub arch: String,
    /// `runtime.NumCPU()`.
    pub cpus: u64,
    /// The system's number of the thread that dumps.
    pub thread: u64,
    /// Each object of the world, with the descriptor of the type of a pointer to it.
    #[serde(default, deserialize_with = "nullable")]
    pub objects: Vec<Made>,
    /// What was allocated for values.
    #[serde(default, deserialize_with = "nullable")]
    pub parts: Vec<Part>,
    /// The itabs of what interfaces with methods hold, with their types' descriptors.
    pub shapes: BTreeMap<String, Made>,
    /// Where the variable that holds objects is.
    pub cells: u64,
    /// Where an initialised variable is.
    pub initial: u64,
    /// Where another one is, which points to `cells`.
    pub anchor: u64,
    /// The descriptor of `uint64`.
    pub number: u64,
    /// The code of the function that starts goroutines.
    pub start: u64,
    /// The finalizers that are set, in the order of the world.
    #[serde(default, deserialize_with = "nullable")]
    pub finalizers: Vec<Final>,
    /// Those that are due.
    #[serde(default, deserialize_with = "nullable")]
    pub queued: Vec<Final>,
    /// The numbers of the world's goroutines; 0 of those that have not run.
    #[serde(default, deserialize_with = "nullable")]
    pub goroutines: Vec<u64>,
    /// The descriptors of the types that steps panic with: of a pointer, of a number.
    pub panics: [u64; 2],
    /// Whether goroutines that should be runnable may have run.
    pub preempted: bool,
    /// What `runtime.Stack` prints of all goroutines.
    pub trace: String,
    /// `runtime.MemStats`, by the names that the reader has for its fields.
    pub statistics: BTreeMap<String, u64>,
    /// `runtime.MemProfile`.
    #[serde(default, deserialize_with = "nullable")]
    pub profile: Vec<Bucket>,
}

/// Something with an address, and the address of a type's descriptor.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Made {
    /// Where it is.
    pub address: u64,
    /// The descriptor.
    #[serde(rename = "type")]
    pub typ: u64,
}

/// What was allocated for the value of a leaf.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Part {
    /// The object that has the leaf.
    pub object: usize,
    /// The leaf.
    pub leaf: u64,
    /// Where it is.
    pub address: u64,
}

/// A finalizer, as a dump has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Final {
    /// Its object.
    pub object: u64,
    /// Its closure.
    pub closure: u64,
    /// The closure's code.
    pub code: u64,
    /// The type of its argument.
    pub argument: u64,
    /// The type of a pointer to its object.
    #[serde(rename = "type")]
    pub typ: u64,
}

/// Allocations from one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Bucket {
    /// How many, that the profile knows of.
    pub allocs: u64,
    /// How many of them were freed.
    pub frees: u64,
    /// How large they were together, in bytes.
    pub bytes: u64,
    /// From where.
    #[serde(default, deserialize_with = "nullable")]
    pub stack: Vec<Call>,
}

/// A call on a stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Call {
    /// The function that was compiled.
    pub function: String,
    /// The file of the line.
    pub file: String,
    /// The line.
    pub line: u64,
}

/// A list as Go writes it: `null` without elements.
fn nullable<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// A goroutine in a traceback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced<'a> {
    /// Its number.
    pub id: u64,
    /// Its state or what it waits for, without remarks.
    pub state: &'a str,
    /// The functions that have a frame of their own, the innermost first, with how far they have come in bytes of code.
    pub frames: Vec<(&'a str, u64)>,
    /// Where in the function that started it that was.
    pub created: Option<u64>,
}

impl Report {
    /// The number of the release: 27 of `go1.27.3`.
    pub fn release(&self) -> Option<u8> {
        release(&self.version)
    }

    /// The goroutines of the traceback.
    pub fn traced(&self) -> impl Iterator<Item = Traced<'_>> {
        self.trace.split("\n\n").filter_map(traced)
    }

    /// The address that was allocated for the value of a leaf.
    pub fn part(&self, object: usize, leaf: u64) -> Option<u64> {
        let part = self.parts.iter().find(|part| (part.object, part.leaf) == (object, leaf));
        part.map(|part| part.address)
    }
}

/// The number of a version's release: 27 of `go1.27.3` and of `devel go1.27-af0c`.
pub(super) fn release(version: &str) -> Option<u8> {
    let (_, rest) = version.split_once("go1.")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// A function's name as it is printed since Go 1.21: without type arguments. Source: `funcNameForPrint`.
pub fn printed(name: &str) -> Cow<'_, str> {
    match (name.find('['), name.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}[...]{}", &name[..open], &name[close + 1..]).into()
        }
        _ => name.into(),
    }
}

fn traced(text: &str) -> Option<Traced<'_>> {
    let mut lines = text.lines();
    let (id, rest) = lines.next()?.strip_prefix("goroutine ")?.split_once(" [")?;
    let state = rest.split([']', ',']).next()?;
    let mut traced = Traced { id: id.parse().ok()?, state, frames: Vec::new(), created: None };
    while let (Some(call), Some(place)) = (lines.next(), lines.next()) {
        let offset = place.rsplit_once(" +0x").and_then(|(_, hex)| u64::from_str_radix(hex, 16).ok());
        if call.starts_with("created by ") {
            traced.created = offset;
        } else if !call.ends_with("(...)") {
            // What is inline has no frame. What has not run has come nowhere.
            let name = call.strip_suffix(')').map_or(call, |call| function(call));
            traced.frames.push((name, offset.unwrap_or(0)));
        }
    }
    Some(traced)
}

/// The function of a call without its last parenthesis: before the one that opens the arguments.
fn function(call: &str) -> &str {
    let mut depth = 1;
    let open = call.char_indices().rev().find(|&(_, c)| {
        depth += i32::from(c == ')') - i32::from(c == '(');
        depth == 0
    });
    open.map_or(call, |(at, _)| &call[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracebacks_are_read() {
        let trace = "goroutine 12 [chan receive, locked to thread]:\nmain.(*routine).wait(0x70, {0x1, (0x2)})\n\tw/g.go:96 \
                     +0x153\nsync.(*Mutex).Lock(...)\n\tsync/mutex.go:46\nmain.generic[...](0x1)\n\tw/s.go:3 +0x10\ncreated by \
                     main.(*routine).start in goroutine 6\n\tw/g.go:32 +0x59\n\ngoroutine 16 [runnable]:\nmain.f.func1()\n\tg.go:32\n";
        let report = Report { trace: trace.to_owned(), version: "go1.27.3".to_owned(), ..Report::default() };
        let traced: Vec<Traced<'_>> = report.traced().collect();
        assert_eq!(traced[0].state, "chan receive");
        assert_eq!(traced[0].frames, [("main.(*routine).wait", 0x153), ("main.generic[...]", 0x10)]);
        assert_eq!((traced[0].id, traced[0].created), (12, Some(0x59)));
        assert_eq!(traced[1].frames, [("main.f.func1", 0)]);
        assert_eq!((traced.len(), report.release()), (2, Some(27)));
    }
}
