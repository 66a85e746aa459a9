//! An emulator of Intel's AMX instructions, so that code that uses tiles is tested on every
//! machine.
//!
//! A CPU without AMX raises the signal SIGILL. [`emulate`] installs a handler that decodes the
//! instruction ([`decode`]), executes it on the thread's own tiles ([`Tiles`]) and continues after
//! it. What real hardware would refuse ends the process with a message: an unconfigured tile,
//! shapes that do not match, two operands that are the same tile.
//!
//! Where the CPU has AMX and Linux permits its use, there is no signal, and the same tests run on
//! the hardware. Linux on x86-64 only.

pub mod decode;
mod tiles;

use std::cell::UnsafeCell;
use std::sync::Once;

use decode::{Instruction, Operation};
pub use tiles::{CONFIGURATION_BYTES, Fault, ROW_BYTES, Tiles};

thread_local! {
    // Constant, so that the handler uses it without initialisation.
    static TILES: UnsafeCell<Tiles> = const { UnsafeCell::new(Tiles::new()) };
}

/// Makes AMX instructions work in this process: those that the CPU refuses are emulated.
pub fn emulate() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        ask_permission();
        // SAFETY: all zeros are a valid action, without a mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        // SAFETY: the handler has the signature that SA_SIGINFO asks for.
        let failed =
            unsafe { libc::sigaction(libc::SIGILL, &raw const action, std::ptr::null_mut()) };
        assert_eq!(failed, 0, "the system takes no handler for SIGILL");
    });
}

/// Asks Linux for permission to use tiles. Without it, hardware that has AMX executes
/// configurations and raises the signal at the first tile: half of a program would run here, and
/// half there.
fn ask_permission() {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILE_DATA: libc::c_long = 18;
    // SAFETY: the call changes nothing but what this process may use. Where there is no AMX, or no
    // such call, it fails, and instructions are emulated.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA) };
}

/// Executes the AMX instructions from where the thread was stopped: several in a row, because a
/// signal costs more than most of them. Ends the process if there is none.
extern "C" fn handle(_: libc::c_int, _: *const libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system passes the stopped thread's context to handlers installed with SA_SIGINFO.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let mut executed = 0;
    loop {
        let at = registers[libc::REG_RIP as usize] as *const u8;
        // SAFETY: the thread was about to execute this address; decoding reads no further than the
        // instruction.
        let Some(instruction) = (unsafe { decode::at(at) }) else { break };
        TILES.with(|tiles| {
            // SAFETY: the tiles are this thread's, and there is no other reference: handlers do not
            // nest, because nothing they call has AMX instructions.
            let tiles = unsafe { &mut *tiles.get() };
            // SAFETY: the program guarantees the memory of its own instruction, as for hardware.
            if let Err(fault) = unsafe { execute(&instruction, tiles, registers) } {
                end(fault.what());
            }
        });
        registers[libc::REG_RIP as usize] += instruction.length as i64;
        executed += 1;
    }
    if executed == 0 {
        end("an instruction that neither this CPU nor the emulator has");
    }
}

/// Ends the process with a message.
fn end(what: &str) -> ! {
    for text in ["AMX: ", what, "\n"] {
        // SAFETY: the length is that of the text. Not `eprintln`, whose output the test harness
        // buffers.
        unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    }
    std::process::abort()
}

/// # Safety
/// Caller guarantees that the program may access the memory of the instruction.
unsafe fn execute(
    instruction: &Instruction,
    tiles: &mut Tiles,
    registers: &[i64],
) -> Result<(), Fault> {
    let next = registers[libc::REG_RIP as usize] + instruction.length as i64;
    let value = |number| if number == decode::NEXT { next } else { registers[register(number)] };
    match &instruction.operation {
        Operation::LoadConfiguration(place) => {
            // SAFETY: the instruction reads the same bytes.
            let bytes = unsafe {
                (place.address(value) as *const [u8; CONFIGURATION_BYTES]).read_unaligned()
            };
            tiles.configure(&bytes)
        }
        Operation::StoreConfiguration(place) => {
            // SAFETY: the instruction writes the same bytes.
            unsafe {
                (place.address(value) as *mut [u8; CONFIGURATION_BYTES])
                    .write_unaligned(tiles.configuration());
            };
            Ok(())
        }
        Operation::Release => {
            tiles.release();
            Ok(())
        }
        Operation::Zero(tile) => tiles.zero(*tile),
        // SAFETY: the instruction reads the same rows.
        Operation::Load(tile, place) => unsafe {
            tiles.load(*tile, place.first_row(value) as *const u8, place.stride(value)?)
        },
        // SAFETY: the instruction writes the same rows.
        Operation::Store(tile, place) => unsafe {
            tiles.store(*tile, place.first_row(value) as *mut u8, place.stride(value)?)
        },
        Operation::Multiply { sums, a, b } => tiles.multiply(*sums, *a, *b),
        Operation::MultiplyBytes { sums, a, b, signed } => {
            tiles.multiply_bytes(*sums, *a, *b, *signed)
        }
    }
}

/// Returns the system's index of a general register, by its number in instructions.
fn register(number: u8) -> usize {
    const REGISTERS: [i32; 16] = [
        libc::REG_RAX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RBX,
        libc::REG_RSP,
        libc::REG_RBP,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
    ];
    REGISTERS[usize::from(number)] as usize
}
