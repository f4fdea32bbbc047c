// Blends the wrinkles of a head baked by `deca bake`: blend shapes' weights in, a material's weights out.
//
// Put it on the object with the head's SkinnedMeshRenderer. The material is made of a Shader Graph with
// deca_wrinkles.hlsl, whose properties have the reference names below.
using System;
using UnityEngine;

[RequireComponent(typeof(SkinnedMeshRenderer))]
public sealed class DecaWrinkles : MonoBehaviour
{
    [Serializable]
    private sealed class Term
    {
        public string morph;
        public float factor;
    }

    [Serializable]
    private sealed class Map
    {
        public string file;
        public float strength;
        public Term[] terms;
    }

    [Serializable]
    private sealed class Base
    {
        public float scale;
    }

    [Serializable]
    private sealed class Description
    {
        public string format;
        public float rise;
        public Base textured;
        public Map[] maps;
    }

    private const int Most = 12;
    private static readonly int[] Weights =
    {
        Shader.PropertyToID("_Weights0"), Shader.PropertyToID("_Weights1"), Shader.PropertyToID("_Weights2"),
    };

    [SerializeField, Tooltip("wrinkles.json")] private TextAsset description;
    [SerializeField, Tooltip("textured_normal.png")] private Texture2D textured;
    [SerializeField, Tooltip("wrinkle_01 and so on, in their order")] private Texture2D[] maps;
    [SerializeField, Tooltip("Which of the renderer's materials is the skin")] private int skin;

    private SkinnedMeshRenderer face;
    private Material material;
    private Texture2DArray layers;
    private Description about;
    private int[][] shapes;

    private void Start()
    {
        about = JsonUtility.FromJson<Description>(description.text);
        if (about.format != "deca wrinkles 1" || about.maps.Length != maps.Length || maps.Length > Most)
        {
            Debug.LogError($"{description.name}: not the description of these {maps.Length} wrinkle maps", this);
            enabled = false;
            return;
        }
        face = GetComponent<SkinnedMeshRenderer>();
        shapes = new int[maps.Length][];
        var first = maps[0];
        layers = new Texture2DArray(first.width, first.height, maps.Length, first.format, first.mipmapCount > 1, true);
        for (var map = 0; map < maps.Length; map++)
        {
            Graphics.CopyTexture(maps[map], 0, layers, map);
            shapes[map] = Array.ConvertAll(about.maps[map].terms, term => face.sharedMesh.GetBlendShapeIndex(term.morph));
            if (Array.IndexOf(shapes[map], -1) >= 0)
            {
                Debug.LogError($"{face.sharedMesh.name}: lacks a blend shape that {about.maps[map].file} answers to", this);
                enabled = false;
                return;
            }
        }
        material = face.materials[skin];
        material.SetTexture("_Base", textured);
        material.SetFloat("_BaseScale", about.textured.scale);
        material.SetTexture("_Maps", layers);
    }

    // After animation has set the blend shapes.
    private void LateUpdate()
    {
        for (var four = 0; four < Weights.Length; four++)
        {
            var weights = Vector4.zero;
            for (var part = 0; part < 4 && 4 * four + part < maps.Length; part++)
            {
                weights[part] = Weight(4 * four + part);
            }
            material.SetVector(Weights[four], weights);
        }
    }

    private float Weight(int map)
    {
        var effort = 0f;
        for (var term = 0; term < shapes[map].Length; term++)
        {
            var shape = shapes[map][term];
            // Importers differ in whether 1 or 100 is all of a shape.
            var full = face.sharedMesh.GetBlendShapeFrameWeight(shape, 0);
            effort += about.maps[map].terms[term].factor * face.GetBlendShapeWeight(shape) / full;
        }
        return about.maps[map].strength * (1f - Mathf.Exp(-Mathf.Pow(Mathf.Max(0f, effort), about.rise)));
    }

    private void OnDestroy()
    {
        Destroy(layers);
        Destroy(material);
    }
}
