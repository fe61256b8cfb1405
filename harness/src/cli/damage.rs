//! Dumps that are cut off at any offset, or that have any one byte changed: no command that reads dumps fails in
//! another way than it says, and what is salvaged can be used.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use clap::Parser;
use heapmatrix_reader::{Dump, Index};
use heapmatrix_writer::AnyTarget;

use super::out::Out;
use super::{Cli, Command, Verdict};

/// The commands, as their arguments say.
struct Commands {
    inspect: Command,
    inspect_json: Command,
    print: Command,
    print_all: Command,
    grep: Command,
    verify: Command,
    salvage: Command,
}

impl Commands {
    fn new() -> Self {
        let parse = |args: &[&str]| Cli::parse_from([&["heapmatrix"], args].concat()).command;
        Self {
            inspect: parse(&["inspect", "-"]),
            inspect_json: parse(&["inspect", "--json", "-"]),
            print: parse(&["print", "-"]),
            print_all: parse(&["print", "-", "--contents", "--pointers", "--jsonl"]),
            grep: parse(&["grep", "(?-u)[^\\x00]", "-", "--count"]),
            verify: parse(&["verify", "-"]),
            salvage: parse(&["salvage", "-", "-o", "-"]),
        }
    }

    /// Runs every command. Whether each is content: inspect, print, verify, salvage.
    fn run(&self, input: &[u8]) -> [bool; 4] {
        let inspect = run(&self.inspect, input).0;
        assert_eq!(run(&self.inspect_json, input).0, inspect);
        let print = run(&self.print, input).0;
        assert_eq!(run(&self.print_all, input).0, print);
        assert!(run(&self.grep, input).0.is_none_or(|_| print.is_some()));
        let (salvage, saved) = run(&self.salvage, input);
        if salvage.is_some() {
            assert_eq!(run(&self.inspect, &saved).0, Some(Verdict::Sound), "what was saved cannot be read");
            assert!(run(&self.verify, &saved).0.is_some());
            let index = Index::new(Dump::new(&saved).unwrap()).unwrap();
            let edges: usize = (0..index.len()).map(|id| index.edges(id).count()).sum();
            assert!(edges <= saved.len());
        }
        [inspect, print, run(&self.verify, input).0, salvage].map(|verdict| verdict == Some(Verdict::Sound))
    }
}

/// Runs a command on these bytes instead of its file: its verdict, if it comes to one, and what it writes.
fn run(command: &Command, input: &[u8]) -> (Option<Verdict>, Vec<u8>) {
    let source: Box<dyn Read> = Box::new(Cursor::new(input.to_vec()));
    let mut out = Vec::new();
    let outcome = match command {
        Command::Inspect(args) => args.run(source, &mut Out::new(&mut out, true)),
        Command::Print(args) => args.run(source, &mut Out::new(&mut out, true)),
        Command::Grep(args) => args.run(source, &mut Out::new(&mut out, true)),
        Command::Verify(args) => args.run(input, &mut out),
        Command::Salvage(args) => args.run(input, &mut out, &mut Vec::new()),
        other => panic!("{other:?} reads no dump"),
    };
    if let Err(error) = &outcome {
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    (outcome.ok(), out)
}

/// Cuts and changes a dump at these offsets. `name` is told when something panics.
fn damage(commands: &Commands, name: &str, dump: &[u8], offsets: impl Iterator<Item = usize>) {
    struct Told<'a>(&'a str, usize, &'static str);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("{} {} at {}", self.0, self.2, self.1);
            }
        }
    }
    let mut changed = dump.to_vec();
    for at in offsets {
        let _told = Told(name, at, "cut");
        assert_eq!(commands.run(&dump[..at]), [false; 4], "nobody noticed");
        let _told = Told(name, at, "changed");
        // Another bit, another length of a number, another number: by turns, as offsets are many.
        changed[at] ^= [0x01, 0x80, 0xff][at % 3];
        commands.run(&changed);
        changed[at] = dump[at];
    }
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora")
}

fn read(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    if path.extension().is_some_and(|e| e == "zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes }
}

/// Every offset of small dumps, which have something of everything between them.
fn every_offset(target: AnyTarget) {
    let arch = target.goarch();
    let commands = Commands::new();
    for name in ["panic_with_defers.dump", "pointers_everywhere.dump", "finalizer_queue.dump", "profile.dump"]
    {
        let dump = read(&corpora().join("golden").join(arch).join(name));
        assert_eq!(commands.run(&dump), [true; 4], "{name}");
        damage(&commands, name, &dump, 0..dump.len());
    }
}

/// A spread of offsets of dumps of some hundred kilobytes to megabytes: struck ones, and real ones.
fn a_spread_of_offsets(target: AnyTarget) {
    let arch = target.goarch();
    let golden = corpora().join("golden").join(arch);
    let struck = golden.join("generated_8_objects.struck.dump.zst");
    // Of some machines there are no real dumps.
    let real = fs::read_dir(corpora().join("real")).unwrap().map(|entry| entry.unwrap().path());
    let real = real.filter(|path| path.to_str().unwrap().ends_with(&format!("-{arch}.dump.zst")));
    for path in std::iter::once(struck).chain(real) {
        let dump = read(&path);
        // No divisor of anything in a dump.
        damage(&Commands::new(), &path.display().to_string(), &dump, (5..dump.len()).step_by(dump.len() / 7));
    }
}

heapmatrix_emu::each_machine!(every_offset, a_spread_of_offsets);
