//! A database under `exec`: this machine's `sqlite3`, if it has one, makes the same files and says the same as outside.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{stderr, stdout};

const SQLITE: &str = "/usr/bin/sqlite3";

/// All journals, a transaction and a savepoint that are taken back, files mapped into memory, checkpoints of both kinds,
/// exclusive locks, and files that shrink.
const STATEMENTS: &str = "
.bail on
pragma journal_mode=delete;
create table t(id integer primary key, name text, n integer);
create index i on t(n);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 2000)
    insert into t select x, 'name' || x, x * 7919 % 1000 from c;
begin; delete from t where n < 500; rollback;
select count(*), sum(n) from t;
pragma journal_mode=truncate;
update t set n = n + 1 where id < 100;
pragma journal_mode=persist;
update t set n = n + 1 where id < 200;
pragma journal_mode=wal;
insert into t(name, n) values('wal', 1);
begin; delete from t where n > 900; savepoint s; delete from t; rollback to s; commit;
select count(*), sum(n) from t;
pragma wal_checkpoint(passive);
pragma mmap_size=1000000;
select count(*) from t where name like '%9%';
update t set n = n + 3;
pragma wal_checkpoint(truncate);
pragma integrity_check;
pragma locking_mode=exclusive;
insert into t(name, n) values('alone', 1);
pragma locking_mode=normal;
select count(*), sum(n) from t;
vacuum;
pragma journal_mode=delete;
vacuum into 'copy.db';
attach 'copy.db' as c;
insert into c.t(name, n) select name, n from main.t;
select count(*) from c.t;
pragma integrity_check;
";

fn fed(command: &mut Command) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(STATEMENTS.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_database_is_as_outside() {
    let dynamic = fs::read(SQLITE).is_ok_and(|elf| elf.windows(9).any(|text| text == b"ld-linux-"));
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) || !dynamic {
        eprintln!("NOT RUN: {SQLITE} is no dynamically linked program for x86-64 here (Debian: sqlite3)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let path = dir.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let (outside, kept) = (folder("outside"), folder("kept"));
    let command = [SQLITE, "-batch", "-init", "/dev/null", "x.db"];
    let expected = fed(Command::new(command[0]).args(&command[1..]).current_dir(&outside));
    assert!(expected.status.success(), "{}", stderr(&expected));
    let mut exec = Command::new(env!("CARGO_BIN_EXE_heapmatrix"));
    // A folder that this machine has not, since those that it has are read-only.
    exec.args(["exec", "--sysroot", "/", "--cwd", "/of-the-database", "--out"]).arg(&kept).args(command);
    let seen = fed(&mut exec);
    assert_eq!(stdout(&seen), stdout(&expected), "{}", stderr(&seen));
    assert!(stdout(&seen).lines().count() > 15 && seen.status.success(), "{}", stderr(&seen));
    let files = |folder: &Path| {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_owned(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let (seen, expected) = (files(&kept), files(&outside));
    let names =
        |files: &[(std::ffi::OsString, Vec<u8>)]| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&seen), ["copy.db", "x.db"]);
    assert!(seen == expected, "the databases differ from those of {:?}", names(&expected));
}
