//! `slipring-admin`: looks after a cluster. See `docs/admin.md`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    slipring::admin::program().into()
}
