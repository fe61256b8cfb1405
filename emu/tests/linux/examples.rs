//! The examples do what they say.

#[path = "../../examples/run_program.rs"]
mod run_program;

use super::each;
use super::guest::{Arg::Is, DATA, Guest};
use heapmatrix_emu::guest::ir::Width;
use heapmatrix_emu::linux::Recorder;

#[test]
fn a_program_is_run() {
    each(|target| {
        let mut g = Guest::new(target);
        g.store(DATA, u64::from(b'x'), Width::B1).call("write", &[Is(1), Is(DATA), Is(1)]).exit(3);
        let recorder = Recorder::default();
        let ended = run_program::run(&g.elf(), vec!["program".to_owned()], recorder.clone()).unwrap();
        assert_eq!(recorder.output().stdout, b"x");
        assert!(ended.starts_with(&format!("{target}: ")) && ended.contains("3 after "), "{ended}");
        let error = run_program::run(&g.elf()[..40], vec![], Recorder::default()).unwrap_err();
        assert!(!error.to_string().is_empty());
    });
}
