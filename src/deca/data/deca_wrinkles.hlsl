// The normal of a head baked by `deca bake`, for a Custom Function node of Unity's Shader Graph.
//
// Base is textured_normal.png, Maps the wrinkle_*.png in the order of wrinkles.json; both hold numbers, not colours
// (sRGB off). Weights are each map's weight times its strength. Normal is in tangent space, green up. DecaWrinkles.cs
// sets all of them. In the node: Type File, Name DecaWrinkles, Precision Single.
#ifndef DECA_WRINKLES_INCLUDED
#define DECA_WRINKLES_INCLUDED

void DecaWrinkles_float(
    UnityTexture2D Base, float BaseScale, UnityTexture2DArray Maps, UnitySamplerState Sampler, float2 UV,
    float4 Weights0, float4 Weights1, float4 Weights2, out float3 Normal)
{
    float3 neutral = SAMPLE_TEXTURE2D(Base.tex, Sampler.samplerstate, UV).xyz * 2.0 - 1.0;
    float2 tilt = BaseScale * neutral.xy / neutral.z;
    float weights[12] = {
        Weights0.x, Weights0.y, Weights0.z, Weights0.w,
        Weights1.x, Weights1.y, Weights1.z, Weights1.w,
        Weights2.x, Weights2.y, Weights2.z, Weights2.w};
    for (int map = 0; map < 12; ++map)
    {
        // Flat is exactly 128, so that maps without relief here add nothing.
        float2 xy = (SAMPLE_TEXTURE2D_ARRAY(Maps.tex, Sampler.samplerstate, UV, map).xy * 255.0 - 128.0) / 127.0;
        tilt += weights[map] * xy * rsqrt(max(1.0 - dot(xy, xy), 1e-4));
    }
    Normal = normalize(float3(tilt, 1.0));
}

#endif
