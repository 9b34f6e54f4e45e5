"""Send a folder of pictures to a receiver that saves them, as two processes on this machine.

python examples/replay_to_files.py FOLDER OUT [ADDRESS]
"""

import subprocess
import sys

folder, out = sys.argv[1:3]
address = sys.argv[3] if len(sys.argv) > 3 else "tcp://127.0.0.1:5555"
rankcast = [sys.executable, "-m", "rankcast"]

receive = ["receive", "--connect", address, "--save", out, "--timeout", "60"]
send = ["send", "--source", f"replay:{folder}", "--bind", address, "--codec", "lossless"]
every_frame = ["--no-realtime", "--wait-viewers", "1"]  # wait for the receiver, skip nothing

with subprocess.Popen([*rankcast, *receive]) as receiver:
    sent = subprocess.run([*rankcast, *send, *every_frame])
    if sent.returncode:
        receiver.terminate()
sys.exit(sent.returncode or receiver.returncode)
