//! Somebody's program, run on one file with limits on what it uses.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a program may use for one file.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Seconds until it is killed.
    pub seconds: u64,
    /// Bytes of memory that it may write to. Enforced on Unix.
    pub memory: u64,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With exit status 0: what it printed.
    Printed(Vec<u8>),
    /// With another one and without crashing: what it said of it.
    Refused(String),
    /// By a signal, a panic or an exception that nobody caught: which.
    Crashed(String),
    /// It was killed because it took too long.
    Hung,
}

/// What a program finds on its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Nothing,
    /// The file.
    File,
}

/// What it may print: more than any dump in text takes.
const MOST_PRINTED: u64 = 256 << 20;

/// How much of its messages is looked at.
const MOST_MESSAGES: u64 = 64 << 10;

/// Runs a command, with `{}` in its arguments replaced by the path of a file. Prints go to a file, so that nobody
/// waits for anybody and a limit can hold for them.
///
/// # Errors
/// If it cannot be started.
pub fn run(
    command: &[OsString],
    file: &Path,
    input: Input,
    printed: &Path,
    limits: Limits,
) -> io::Result<Ended> {
    let words = command.iter().map(|word| fill(word, file));
    let program = command.first().ok_or(io::ErrorKind::InvalidInput)?.display();
    let messages = printed.with_extension("messages");
    let mut command = limited(words, limits);
    let input = match input {
        Input::Nothing => Stdio::null(),
        Input::File => File::open(file)?.into(),
    };
    command.stdin(input).stdout(File::create(printed)?).stderr(File::create(&messages)?);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let cannot = |error: &dyn std::fmt::Display| io::Error::other(format!("cannot run {program}: {error}"));
    let mut child = command.spawn().map_err(|error| cannot(&error))?;
    let status = wait(&mut child, Duration::from_secs(limits.seconds));
    // Whatever it has started and left behind.
    kill(&mut child);
    let said = head(&messages)?.replace(&*file.to_string_lossy(), "DUMP");
    let status = status?;
    // What shells say of a program that is not there, or is none.
    if let Some(126 | 127) = status.and_then(|status| status.code()) {
        return Err(cannot(&said.lines().last().map(short).unwrap_or_default()));
    }
    Ok(match status {
        None => Ended::Hung,
        Some(status) => match crash(status, &said, limits) {
            Some(how) => Ended::Crashed(how),
            None if status.success() => Ended::Printed(fs::read(printed)?),
            None => Ended::Refused(last_words(&said, status)),
        },
    })
}

fn fill(word: &OsStr, file: &Path) -> OsString {
    match word.to_str() {
        Some(text) if text.contains("{}") => text.replace("{}", &file.to_string_lossy()).into(),
        _ => word.to_owned(),
    }
}

/// The command with limits, which hold for all that it starts. A shell sets them: between a start and limits that are set
/// from outside, a script would have started others.
///
/// Memory is what the program can write to, and not addresses that it reserves: Go's runtime reserves much more than it
/// uses.
#[cfg(unix)]
fn limited(words: impl Iterator<Item = OsString>, limits: Limits) -> Command {
    let Limits { seconds, memory } = limits;
    let cpu = seconds.saturating_mul(4);
    // In units of 1,024 and of 512 bytes.
    let (memory, prints) = (memory >> 10, MOST_PRINTED >> 9);
    let script = format!("ulimit -d {memory}; ulimit -f {prints}; ulimit -c 0; ulimit -t {cpu}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).args(words);
    command
}

#[cfg(not(unix))]
fn limited(mut words: impl Iterator<Item = OsString>, _: Limits) -> Command {
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// Waits; `None` if it takes longer.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 5 / 4).min(Duration::from_millis(20));
    }
}

/// Kills the program and those that it has started.
fn kill(child: &mut Child) {
    #[cfg(target_os = "linux")]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The beginning and the end of a file.
fn head(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(MOST_MESSAGES / 2).read_to_end(&mut bytes)?;
    let rest = file.metadata()?.len().saturating_sub(bytes.len() as u64);
    if rest > MOST_MESSAGES / 2 {
        file.seek(io::SeekFrom::End(-(MOST_MESSAGES as i64) / 2))?;
    }
    (&mut file).take(MOST_MESSAGES / 2).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What programs say when memory is used up: Go, Rust, Python, C++, Node.js, and what systems call it.
const NO_MEMORY: [&str; 8] = [
    "out of memory",
    "memory allocation of",
    "MemoryError",
    "std::bad_alloc",
    "heap out of memory",
    "OutOfMemoryError",
    "annot allocate memory",
    "memory exhausted",
];

/// How a program crashed, if it did.
fn crash(status: ExitStatus, said: &str, limits: Limits) -> Option<String> {
    let line = |mark: &str| said.lines().find(|line| line.contains(mark)).map(short);
    let memory = NO_MEMORY.iter().find_map(|mark| line(mark));
    if !status.success()
        && let Some(line) = memory
    {
        return Some(format!("ran out of memory (limit {} MiB): {line}", limits.memory >> 20));
    }
    let signal = signal(status).map(signal_name);
    if signal.as_deref() == Some("SIGXFSZ") {
        return Some(format!("printed more than {} MiB", MOST_PRINTED >> 20));
    }
    let panic = match status.code() {
        Some(0) => None,
        // A program of Go.
        Some(2) => line("panic: ").or_else(|| line("fatal error: ")),
        Some(101) => line("panicked at"),
        _ => None,
    };
    let exception = (!status.success() && said.contains("Traceback (most recent call last)"))
        .then(|| said.lines().last().map(short).unwrap_or_default());
    let abort = signal.is_some().then_some(["panic: ", "fatal error: ", "panicked at", "terminate called"]);
    let words = abort.and_then(|marks| marks.iter().find_map(|mark| line(mark)));
    match (signal, words) {
        (Some(signal), Some(words)) => Some(format!("{signal}: {words}")),
        (Some(signal), None) => Some(signal),
        (None, _) => panic.or(exception),
    }
}

/// The signal that ended a program, or the one that ended the program of which a shell gives the status.
fn signal(status: ExitStatus) -> Option<i32> {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Some(signal);
    }
    status.code().filter(|code| (129..=159).contains(code)).map(|code| code - 128)
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// What a program that refuses a file says of it.
fn last_words(said: &str, status: ExitStatus) -> String {
    let code = status.code().map_or("an unknown status".to_owned(), |code| format!("exit status {code}"));
    match said.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{code}: {}", short(line)),
        None => code,
    }
}

/// A line that fits beside others.
fn short(line: &str) -> String {
    const MOST: usize = 160;
    let line = line.trim();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn sh(script: &str) -> Ended {
        sh_within(script, 20)
    }

    fn sh_within(script: &str, seconds: u64) -> Ended {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("it's a dump");
        fs::write(&file, "what is in it").unwrap();
        let command = ["sh", "-c", script, "{}"].map(OsString::from);
        run(
            &command,
            &file,
            Input::Nothing,
            &dir.path().join("printed"),
            Limits { seconds, memory: 64 << 20 },
        )
        .unwrap()
    }

    #[test]
    fn a_program_gets_the_file_and_prints() {
        assert_eq!(sh("cat \"$0\""), Ended::Printed(b"what is in it".to_vec()));
        assert_eq!(sh("cat; echo none"), Ended::Printed(b"none\n".to_vec()), "no standard input");
    }

    #[test]
    fn a_program_that_cannot_be_run_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let command = [OsString::from("/no/such/reader")];
        let limits = Limits { seconds: 1, memory: 64 << 20 };
        let error =
            run(&command, dir.path(), Input::Nothing, &dir.path().join("p"), limits).unwrap_err().to_string();
        assert!(error.starts_with("cannot run /no/such/reader: "), "{error}");
    }

    #[test]
    fn refusals_and_crashes_are_told_apart() {
        let refused = |why: &str| Ended::Refused(why.to_owned());
        let crashed = |how: &str| Ended::Crashed(how.to_owned());
        for (script, ended) in [
            ("exit 1", refused("exit status 1")),
            ("echo \"broken: $0\" >&2; echo >&2; exit 2", refused("exit status 2: broken: DUMP")),
            ("kill -SEGV $$", crashed("SIGSEGV")),
            ("exit 139", crashed("SIGSEGV")),
            ("kill -USR1 $$", crashed("signal 10")),
            (
                "echo 'panic: index out of range' >&2; echo goroutine 1 >&2; exit 2",
                crashed("panic: index out of range"),
            ),
            (
                "echo 'fatal error: runtime: out of memory' >&2; exit 2",
                crashed("ran out of memory (limit 64 MiB): fatal error: runtime: out of memory"),
            ),
            (
                "echo \"thread 'main' panicked at x.rs\" >&2; exit 101",
                crashed("thread 'main' panicked at x.rs"),
            ),
            (
                "echo 'Traceback (most recent call last):' >&2; echo 'KeyError: 3' >&2; exit 1",
                crashed("KeyError: 3"),
            ),
            ("echo 'panic: in passing' >&2", Ended::Printed(vec![])),
        ] {
            assert_eq!(sh(script), ended, "{script}");
        }
    }

    #[test]
    fn limits_hold() {
        assert_eq!(sh_within("sleep 60", 1), Ended::Hung);
        assert_eq!(sh_within("sleep 60 & sleep 60", 1), Ended::Hung);
        // `tail` keeps a line of 200 MB.
        let Ended::Crashed(how) = sh_within("exec head -c 200M /dev/zero | tail", 60) else {
            panic!("memory without limit");
        };
        assert!(how.starts_with("ran out of memory (limit 64 MiB): "), "{how}");
    }

    #[test]
    fn long_messages_are_cut() {
        let Ended::Refused(why) = sh("yes long | head -c 1000000 | tr '\\n' ' ' >&2; exit 1") else {
            panic!()
        };
        assert!(why.chars().count() < 200 && why.ends_with('…'), "{why}");
    }
}
