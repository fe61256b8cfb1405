//! The queue of finalizers that are ready to run (mfinal.go).

use super::layout::{GoType, Ptr, offset};
use super::list::LoopCheck;
use super::process::{Process, out_of_range};
use super::structs::{Finalizer, Finblock, Funcval, finalizers_per_block};
use crate::error::Error;
use crate::memory::{Addr, Memory};
use crate::target::Target;

impl<T: Target, M: Memory + ?Sized> Process<'_, T, M> {
    /// Port of `iterate_finq`: gives the address of each queued `finalizer`.
    pub(crate) fn iterate_finq(
        &self,
        mut callback: impl FnMut(Addr) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (alllink, cnt) = (Finblock::alllink(), Finblock::cnt());
        let mut check = LoopCheck::new(alllink.place);
        let mut fb = self.variable::<Ptr>(self.symbols.allfin, "allfin")?;
        while !fb.is_nil() {
            check.visit(fb)?;
            let n: i32 = self.get(fb, cnt)?;
            if i64::from(n) > finalizers_per_block::<T>() as i64 {
                let problem = "that is more than fit into a block";
                return Err(out_of_range(cnt.place, fb, n as u64, problem));
            }
            let mut f = offset::<T>(fb, Finblock::fin::<T>().offset);
            for _ in 0..n {
                callback(f)?;
                f = offset::<T>(f, <Finalizer as GoType<T>>::SIZE);
            }
            fb = self.get(fb, alllink)?;
        }
        Ok(())
    }

    /// `fn.fn`: the code of a closure.
    pub(crate) fn funcval(&self, func: Addr) -> Result<u64, Error> {
        self.get(func, Funcval::r#fn())
    }
}
