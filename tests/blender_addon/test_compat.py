"""What differs between versions has one name here."""

from __future__ import annotations

import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.compat import enable_nodes, fcurves_of  # noqa: E402

pytestmark = pytest.mark.blender


def test_a_material_gets_an_empty_node_tree(scene):
    material = bpy.data.materials.new("new")
    assert enable_nodes(material) == material.node_tree
    assert len(material.node_tree.nodes) == 0


def test_curves_are_found_and_can_be_removed(scene):
    item = bpy.data.objects.new("item", None)
    assert len(fcurves_of(item)) == 0
    item.keyframe_insert("location", frame=1)
    curves = fcurves_of(item)
    assert [curve.data_path for curve in curves] == ["location"] * 3
    curves.remove(curves[0])
    assert len(fcurves_of(item)) == 2
