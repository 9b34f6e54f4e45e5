"""Functions that hang, in place of those of a real process (see `sabotaged`)."""

from __future__ import annotations

STUCK_S = 3.0
SOURCE = "synthetic:conveyor?width=160&height=120&fps=30"
HANGS = "now it hangs"
CONVEYOR = "rankcast_sender.sources.synthetic:ConveyorSource"
SAY = f"""
    import os, sys
    print({HANGS!r}, file=sys.stderr, flush=True)
"""
# Waits in C without Python's lock, and cannot be interrupted.
WAITS = f"""
def hang(*args, **kwargs):{SAY}    os.read(os.pipe()[0], 1)
return hang
"""
# A library that goes on after an interrupt, from before it says that it hangs.
SWALLOWS = f"""
def hang(*args, **kwargs):
    import os, sys
    said = False
    while True:
        try:
            if not said:
                said = True
                print({HANGS!r}, file=sys.stderr, flush=True)
            os.read(os.pipe()[0], 1)
        except KeyboardInterrupt:
            continue
return hang
"""
# The same with the lock: no other Python code runs any more.
HOLDS_THE_LOCK = f"""
def hang(*args, **kwargs):{SAY}    import ctypes
    ctypes.PyDLL(None).sleep(1000)
return hang
"""
# After five calls that went well.
WAITS_LATER = f"""
calls = []
def hang(*args, **kwargs):
    calls.append(1)
    if len(calls) < 6:
        return original(*args, **kwargs){SAY}    os.read(os.pipe()[0], 1)
return hang
"""
FRAMES_THEN_WAITS = f"""
def hang(self):
    for frame in original(self):
        yield frame
        if frame.frame == 5:
            import os, sys
            print({HANGS!r}, file=sys.stderr, flush=True)
            os.read(os.pipe()[0], 1)
return hang
"""
FRAMES_THEN_HOLDS_THE_LOCK = FRAMES_THEN_WAITS.replace(
    "os.read(os.pipe()[0], 1)", "import ctypes; ctypes.PyDLL(None).sleep(1000)"
)
