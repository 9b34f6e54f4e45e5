"""The runners of the wanted sinks: for `app`, the only module that knows concrete sinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rankcast.recorder import AnyRecorder, FreeSpace, RecordedTail, Triggers, open_recorder
from rankcast.runtime import SINK, SKIPPED_AS_OLD
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.settings import ReceiverSettings
from rankcast_receiver.sinks import PacketSink, Sink, SinkRunner, parse_levels
from rankcast_receiver.sinks.count import CountSink
from rankcast_receiver.web_address import WEB, WEB_SINKS

if TYPE_CHECKING:
    from rankcast_receiver.web import WebServer

RECORD: Final = "record"
"""Name of the sink of recordings."""


def sink_runners(
    settings: ReceiverSettings,
    triggers: Triggers | None,
    pipeline: Callable[[], ReceiverPipeline],
    web: WebServer | None = None,
    space: FreeSpace | None = None,
) -> list[SinkRunner]:
    """Create a runner for each requested sink; the first is the main sink, a window the last.

    A sink is imported only if it is requested: counting needs no picture files and no window.
    """
    sinks: dict[str, Callable[[], Sink | PacketSink]] = {}
    save = settings.save
    if save.dir:
        from rankcast_receiver.sinks.save import SaveOptions, SaveSink

        options = SaveOptions(
            folder=Path(save.dir),
            format=save.format,
            every=save.every,
            max_files=save.max_files,
            max_bytes=save.max_bytes,
            max_age_s=save.max_age_s,
            min_free_bytes=save.min_free_bytes,
            sync_frames=save.frames_a_sync,
            debayer=save.debayer,
            jpeg_quality=save.jpeg_quality,
            png_compression=save.png_compression,
        )
        sinks[SaveSink.name] = partial(SaveSink, options)
    if settings.record.file:
        from rankcast_receiver.sinks.record import RecordSink

        def recorder() -> AnyRecorder:
            return open_recorder(
                settings.record,
                triggers or Triggers(),
                lambda camera, wanted: pipeline().want_keyframe(RECORD, camera, wanted),
                tried_again=bool(settings.nats.durable),
            )

        def record() -> RecordSink:
            if not settings.nats.durable:
                return RecordSink(recorder(), lambda: pipeline().packet_losses(), space)
            from rankcast_receiver.sinks.durable_record import DurableRecordSink

            models = Path(settings.stream.models) if settings.stream.models else None
            return DurableRecordSink(
                recorder,
                lambda: RecordedTail(Path(settings.record.file), models),
                lambda: pipeline().packet_losses(),
                space,
                on_recorded=lambda packet: pipeline().note_recorded(packet),
                stopped=lambda: pipeline().stopping,
            )

        sinks[RecordSink.name] = record
    if web is not None:
        sinks.update(web.sinks)
    if settings.display.enabled:
        from rankcast_receiver.sinks.display import DisplaySink

        display = settings.display
        sinks[DisplaySink.name] = partial(
            DisplaySink,
            states=lambda: pipeline().states(),
            levels=parse_levels(display.levels),
            debayer=display.debayer,
            snapshots=Path(display.snapshots),
            ask=lambda camera, op, args: pipeline().ask(camera, op, args),
        )
    if not sinks:
        sinks[CountSink.name] = CountSink
    wanted = settings.stream.frames
    return [
        SinkRunner(
            name,
            open_sink,
            # Pages never hold up what is saved.
            live=settings.live or name in WEB_SINKS,
            most_frames=0 if number else wanted,
            wants="packets" if name in (RECORD, WEB) else "frames",
            replaced_as=SINK if name == RECORD else SKIPPED_AS_OLD,
            takes_references=name == WEB,
        )
        for number, (name, open_sink) in enumerate(sinks.items())
    ]


def recorder_of(runners: Sequence[SinkRunner]) -> SinkRunner | None:
    """Return the runner of the sink of recordings; None without one."""
    return next((runner for runner in runners if runner.name == RECORD), None)
