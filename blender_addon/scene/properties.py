"""What a scene remembers of its shot, and the list of its takes. Saved in the .blend file."""

# No `from __future__ import annotations` here: Blender reads the annotations.
from pathlib import Path

import bpy

from ..compat import PATH_OPTIONS
from ..errors import MovieError, SettingsError
from ..jobs.clip_pictures import clip_pictures
from ..mesh.shot_start import tracked_start, usual_start
from ..project.movie import load_movie, load_pictures, movie_rate
from ..takes.take_strips import show_take
from .depth_properties import CLASSES as DEPTH_CLASSES
from .depth_properties import Ex4dDepth
from .kept_settings import note_other_clip
from .precisions import PRECISIONS
from .qualities import QUALITIES

__all__ = ["CLASSES", "Ex4dShot", "Ex4dTake", "add_properties", "remove_properties"]

PRESETS = (
    ("30", "Orbit 30°", "Move 30 degrees around the subject"),
    ("60", "Orbit 60°", "Move 60 degrees around the subject"),
    ("90", "Orbit 90°", "Move 90 degrees around the subject"),
    ("180", "Sweep", "Swing to both sides and back"),
    ("zoom_in", "Dolly In", "Move towards the subject"),
    ("zoom_out", "Dolly Out", "Move away from the subject"),
)
EASINGS = (
    ("linear", "Linear", "The same speed all the way"),
    ("smooth", "Smooth", "Slow at both ends"),
    ("ease_in", "Ease In", "Slow at the start"),
    ("ease_out", "Ease Out", "Slow at the end"),
)
STRIDES = (
    ("1", "Every Pixel", "Finest; 150 MB on disk for 49 frames of 512x512"),
    ("2", "Every 2nd Pixel", "A quarter of the size and of the time to draw"),
    ("4", "Every 4th Pixel", "For long or large clips"),
)
HDR_CHOICES = (
    ("TONEMAP", "Tone Map", "Bring it within the range of a usual screen"),
    ("KEEP", "Keep Code Values", "Leave it flat and dark"),
)
LENSES = (
    ("KNOWN", "From Depth", "The lens that comes with the depth or the solved camera, else 35 mm"),
    ("FOV", "Field of View", "How wide the lens is"),
    ("MM", "Millimetres", "Focal length and sensor width"),
)
DEFAULT_FRAMES = 49


def _is_camera(_settings: "Ex4dShot", item: bpy.types.Object) -> bool:
    return item.type == "CAMERA"


def _is_mesh_of_ours(_settings: "Ex4dShot", item: bpy.types.Object) -> bool:
    return item.type == "MESH" and "ex4d_source" in item


def _measure_clip(settings: "Ex4dShot", _context: bpy.types.Context) -> None:
    """Take note of a newly chosen clip's length, so that the panel need not open it."""
    if settings.paths_move:
        return
    note_other_clip(settings)
    settings.clip_frames = settings.clip_first = 0
    settings.clip_fault, settings.is_sequence = "", False
    if not settings.clip:
        return
    path = Path(bpy.path.abspath(settings.clip))
    try:
        pictures = clip_pictures(path)
        if pictures is None:
            movie, settings.clip_rate = load_movie(path), movie_rate(path)
        else:
            movie, settings.clip_rate = load_pictures(pictures.paths), 0
            settings.clip_first, settings.is_sequence = pictures.first_number, True
        settings.clip_frames, settings.clip_size = movie.n_frames, movie.size
    except SettingsError as error:
        settings.clip_fault = str(error)
        return
    except MovieError:
        return  # the panel says that there is no such movie
    settings.start_frame = settings.clip_first
    settings.num_frames = max(2, min(settings.clip_frames, DEFAULT_FRAMES))


def _set_start(settings: "Ex4dShot", frame: int) -> None:
    settings.has_start, settings.start_given = True, frame


def _set_solved_start(settings: "Ex4dShot", frame: int) -> None:
    settings.has_solved_start, settings.solved_given = True, frame


def _forget_solved_start(settings: "Ex4dShot", _context: bpy.types.Context) -> None:
    """Another camera was tracked from another frame, and is this clip's."""
    settings.has_solved_start = settings.solved_is_kept = False


def _show_active_take(settings: "Ex4dShot", _context: bpy.types.Context) -> None:
    """Let the sequencers show the take that is chosen in the list."""
    if 0 <= settings.active_take < len(settings.takes):
        for scene in bpy.data.scenes:
            if scene.library is None:
                show_take(scene, settings.takes[settings.active_take])


class Ex4dTake(bpy.types.PropertyGroup):
    """A finished clip and how it was made; `name` is inherited."""

    folder: bpy.props.StringProperty(subtype="DIR_PATH", options=PATH_OPTIONS)
    job_id: bpy.props.StringProperty()
    request: bpy.props.StringProperty()  # JSON of the RenderRequest
    engine: bpy.props.StringProperty()
    quality: bpy.props.StringProperty()  # of QUALITIES; none of a file that an older version saved
    seed: bpy.props.StringProperty()  # 32 bits without a sign do not fit an IntProperty
    coverage: bpy.props.FloatProperty()
    note: bpy.props.StringProperty()


class Ex4dShot(bpy.types.PropertyGroup):
    """The shot of a scene."""

    scene_id: bpy.props.StringProperty()  # made when first needed; results find the scene by it
    clip: bpy.props.StringProperty(
        name="Clip",
        description="The video to re-shoot; or one of its pictures, where it is a sequence of EXR, "
        "PNG, TIFF, JPEG or DPX files",
        update=_measure_clip,
    )
    paths_move: bpy.props.BoolProperty(options={"SKIP_SAVE"})  # with the file, to another folder
    clip_frames: bpy.props.IntProperty()  # 0: not known
    clip_size: bpy.props.IntVectorProperty(size=2)  # (W, H) in pixels
    clip_rate: bpy.props.FloatProperty()  # frames a second; 0: not known
    clip_before: bpy.props.StringProperty(options=PATH_OPTIONS)  # what depth was last chosen with
    clip_first: bpy.props.IntProperty()  # number of the first picture; 0 for a movie
    clip_fault: bpy.props.StringProperty()  # what is wrong with the pictures' names
    is_sequence: bpy.props.BoolProperty()
    fps: bpy.props.FloatProperty(
        name="Rate",
        min=0,
        max=1000,
        description="Frames a second of the pictures. 0: what they say themselves, else 24",
    )
    layer: bpy.props.StringProperty(
        name="Layer", description="Of EXR pictures: layer, part or view. Empty: the beauty"
    )
    depth: bpy.props.PointerProperty(type=Ex4dDepth)
    start_frame: bpy.props.IntProperty(
        name="First Frame",
        min=-999_999,
        max=999_999_999,
        description="Frame of the clip to begin with. Those of a video count from 0, pictures have "
        "numbers of their own",
    )
    num_frames: bpy.props.IntProperty(
        name="Frames", default=DEFAULT_FRAMES, min=2, max=4096, description="How many frames"
    )
    stride: bpy.props.IntProperty(
        name="Step",
        default=1,
        min=1,
        max=1000,
        description="Use every n-th frame of the clip, at an n-th of its rate",
    )
    starts_at: bpy.props.IntProperty(
        name="Starts at Scene Frame",
        get=lambda settings: settings.start_given if settings.has_start else usual_start(settings),
        set=_set_start,
        description="Scene frame of the clip's first frame, so that its frame k is k scene frames "
        "later. The scene's first, of pictures their number, unless another is given",
    )
    has_start: bpy.props.BoolProperty()
    start_given: bpy.props.IntProperty()
    hdr: bpy.props.EnumProperty(
        name="HDR",
        items=HDR_CHOICES,
        description="What is done to a clip in PQ or HLG, as phones record it",
    )
    deinterlace: bpy.props.BoolProperty(
        name="Deinterlace",
        description="Make one moment of the two in each frame of an interlaced clip",
    )
    lens_kind: bpy.props.EnumProperty(name="Lens", items=LENSES)
    fov: bpy.props.FloatProperty(
        name="Horizontal Field of View",
        subtype="ANGLE",
        default=0.9,
        min=0.0175,
        max=3.05,
    )
    lens_mm: bpy.props.FloatProperty(name="Focal Length", default=35, min=1, max=5000)
    sensor_mm: bpy.props.FloatProperty(
        name="Sensor Width", default=36, min=0.1, max=500, description="In millimetres"
    )
    solved_camera: bpy.props.PointerProperty(
        name="Solved Camera",
        type=bpy.types.Object,
        poll=_is_camera,
        update=_forget_solved_start,
        description="A camera of the scene that moves as the clip's own did, from Blender's motion "
        "tracking or imported. None: it stood still",
    )
    solved_start: bpy.props.IntProperty(
        name="Tracked from Scene Frame",
        get=lambda settings: (
            settings.solved_given if settings.has_solved_start else tracked_start(settings)
        ),
        set=_set_solved_start,
        description="Scene frame at which the solved camera films the clip's first frame. Found by "
        "its Camera Solver constraint or its first key, unless another is given",
    )
    has_solved_start: bpy.props.BoolProperty()
    solved_is_kept: bpy.props.BoolProperty()  # it was chosen for another clip
    solved_given: bpy.props.IntProperty()
    grid_stride: bpy.props.EnumProperty(name="Mesh", items=STRIDES)
    min_face_angle: bpy.props.FloatProperty(
        name="Hole Angle (°)",
        default=2.5,
        min=0,
        max=59,
        description="Faces with a smaller angle, in degrees, span a depth jump and become holes",
    )
    mesh: bpy.props.PointerProperty(
        name="Mesh", type=bpy.types.Object, poll=_is_mesh_of_ours, description="The reconstruction"
    )
    camera: bpy.props.PointerProperty(
        name="Camera", type=bpy.types.Object, poll=_is_camera, description="The new camera"
    )
    preset: bpy.props.EnumProperty(name="Path", items=PRESETS)
    amount: bpy.props.FloatProperty(
        name="Amount",
        default=1,
        min=-10,
        max=10,
        description="How many times the path's angle, or half the way to the nearest surface. "
        "Negative: to the other side",
    )
    easing: bpy.props.EnumProperty(name="Easing", items=EASINGS, default="smooth")
    quality: bpy.props.EnumProperty(name="Quality", items=QUALITIES)
    seed: bpy.props.StringProperty(
        name="Seed", default="0", description="A whole number; another one gives another take"
    )
    steps: bpy.props.IntProperty(
        name="Steps", default=25, min=1, max=1000, description="More takes longer"
    )
    guidance_scale: bpy.props.FloatProperty(
        name="Guidance", default=5, min=0, max=100, description="How much the prompt weighs"
    )
    guidance_until: bpy.props.FloatProperty(
        name="Guided Until",
        default=1,
        min=0,
        max=1,
        subtype="FACTOR",
        description="Share of the steps, from the first, that are guided. "
        "The others take half the time",
    )
    step_cache: bpy.props.FloatProperty(
        name="Step Cache",
        default=0,
        min=0,
        max=1,
        soft_max=0.3,
        precision=3,
        description="How wrong a step may be that is not computed, such as 0.05; "
        "0: all steps are computed",
    )
    prompt: bpy.props.StringProperty(
        name="Prompt", description="What the clip shows; empty: what the model was trained with"
    )
    precision: bpy.props.EnumProperty(name="Precision", items=PRECISIONS)
    keep_source: bpy.props.BoolProperty(
        name="Keep Source Pixels",
        description="Where the clip is seen, show its own pixels instead of the model's",
    )
    folder: bpy.props.StringProperty(
        name="Folder",
        subtype="DIR_PATH",
        options=PATH_OPTIONS,
        default="//ex4d",
        description="Where meshes and takes are kept; of a file not yet saved, in the user's data",
    )
    takes: bpy.props.CollectionProperty(type=Ex4dTake)
    active_take: bpy.props.IntProperty(update=_show_active_take)


CLASSES = (*DEPTH_CLASSES, Ex4dTake, Ex4dShot)


def add_properties() -> None:
    """Give scenes their shot."""
    bpy.types.Scene.ex4d = bpy.props.PointerProperty(type=Ex4dShot)


def remove_properties() -> None:
    """Take it back; what is in files stays there."""
    del bpy.types.Scene.ex4d
