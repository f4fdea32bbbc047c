"""Expressions that have a name of their own, as strengths of facial actions."""

from __future__ import annotations

from collections.abc import Mapping

PRESETS: Mapping[str, Mapping[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.9, "cheekSquint": 0.6, "eyeSquint": 0.4, "mouthDimple": 0.2},
    "laugh": {
        "mouthSmile": 0.9,
        "cheekSquint": 0.8,
        "eyeSquint": 0.6,
        "jawOpen": 0.35,
        "mouthUpperUp": 0.5,
        "mouthLowerDown": 0.3,
    },
    "surprise": {"browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.8, "jawOpen": 0.45},
    "anger": {"browDown": 1.0, "noseSneer": 0.5, "mouthPress": 0.6, "eyeSquint": 0.5, "mouthFrown": 0.3},
    "sadness": {"browInnerUp": 0.9, "mouthFrown": 0.8, "mouthShrugLower": 0.4, "eyeBlink": 0.15},
    "disgust": {"noseSneer": 0.9, "browDown": 0.6, "mouthUpperUp": 0.6, "mouthFrown": 0.4, "eyeSquint": 0.4},
    "fear": {"browInnerUp": 1.0, "browOuterUp": 0.4, "eyeWide": 1.0, "mouthStretch": 0.7, "jawOpen": 0.2},
    "kiss": {"mouthPucker": 1.0, "mouthFunnel": 0.2},
    "blink": {"eyeBlink": 1.0},
    "wink": {"eyeBlinkLeft": 1.0, "cheekSquintLeft": 0.6, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.25},
}
"""Strengths of actions at a preset's own strength of one; a name without a side stands for both."""
