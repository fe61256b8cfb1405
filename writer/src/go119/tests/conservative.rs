//! Stacks of a stopped process that cannot be unwound to their ends.

use super::image::{Image, STACK, TEXT};
use super::{HEADERS, has};
use crate::Error;
use crate::go119::Stopped;
use crate::target::{Amd64, Mips, S390x, Target};
use crate::testing::counted;

const UNKNOWN: &[u8] = b"unknown function";

/// A process that nobody dumps from inside, so that no statistics are looked for on the stack.
fn stopped_image<T: Target>() -> Image<T> {
    let mut image = Image::<T>::new(HEADERS, &[]);
    let dumpfd = image.variable("runtime.dumpfd");
    image.word(dumpfd, 0);
    image
}

fn what_is_left_of_a_stack_is_one_frame<T: Target>() {
    let mut image = stopped_image::<T>();
    let stopped = Stopped::new(&[]);
    let dump = image.dump_stopped(&stopped).unwrap();
    assert!(!has(&dump, &counted(UNKNOWN)) && stopped.doubts().not_unwound_count == 0, "{}", T::GOARCH);

    // The frame returns to where there is no code.
    let goexit = TEXT + 0x100 + 1;
    let (on_stack, g) = (STACK..STACK + 0x2000, image.g());
    let return_pcs: Vec<u64> = image.words().into_iter().filter(|at| on_stack.contains(at)).collect();
    let mut changed = 0;
    for at in return_pcs {
        match image.swap(at, 0x99_0001) {
            pc if pc == goexit => changed += 1,
            other => drop(image.swap(at, other)),
        }
    }
    assert_eq!(changed, 1);
    for (field, value) in [(0, STACK), (1, STACK + 0x2000)] {
        image.put(g, "runtime.g", "stack", field, value);
    }
    let dump = image.dump_stopped(&stopped).unwrap();
    let doubts = stopped.doubts();
    assert!(has(&dump, &counted(UNKNOWN)), "{}", T::GOARCH);
    assert_eq!((doubts.not_unwound_count, doubts.not_unwound.len()), (1, 1), "{}", T::GOARCH);
    assert_eq!(doubts.not_unwound[0].0, 1, "{}", T::GOARCH);
    // Of very many only the first are told.
    let (allgs, array) = (image.variable("runtime.allgs"), image.alloc(0x400));
    for i in 0..103 {
        image.word(array + i * T::PTR_SIZE, g);
    }
    let before: Vec<u64> =
        (0..).zip([array, 103, 103]).map(|(i, value)| image.swap(allgs + i * T::PTR_SIZE, value)).collect();
    image.dump_stopped(&stopped).unwrap();
    let doubts = stopped.doubts();
    assert_eq!((doubts.not_unwound_count, doubts.not_unwound.len()), (103, 100), "{}", T::GOARCH);
    for (i, value) in (0..).zip(before) {
        image.word(allgs + i * T::PTR_SIZE, value);
    }

    // Where the goroutine's stack is elsewhere, there is nothing left.
    image.put(g, "runtime.g", "stack", 1, STACK + 8);
    let dump = image.dump_stopped(&stopped).unwrap();
    assert!(!has(&dump, &counted(UNKNOWN)) && stopped.doubts().not_unwound_count == 1, "{}", T::GOARCH);
}

/// That the output takes no more is no fault of the stack.
fn outputs_that_end_are_told<T: Target>() {
    let image = stopped_image::<T>();
    let stopped = Stopped::new(&[]);
    let len = image.dump_stopped(&stopped).unwrap().len();
    for room in (0..len).step_by(23) {
        let error = image.dump_into(&stopped, &mut vec![0; room][..]).unwrap_err();
        assert!(matches!(error, Error::Write { .. }), "{error}");
        assert_eq!(stopped.doubts().not_unwound, [], "{} {room}", T::GOARCH);
    }
}

#[test]
fn stacks_that_cannot_be_unwound() {
    fn on<T: Target>() {
        what_is_left_of_a_stack_is_one_frame::<T>();
        outputs_that_end_are_told::<T>();
    }
    on::<Amd64>();
    on::<Mips>();
    on::<S390x>();
}
