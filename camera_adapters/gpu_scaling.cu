// An image of NV12, 8 bits with chroma at half its size, becomes a smaller one of RGB: each pixel is the
// average of the area that it covers, as FFmpeg's area scaler has it, and then turned to RGB.
// gpu_scaling.ptx is this file as `python -m tests.camera_adapters.gpu_scaling_ptx` compiles it.

struct Scaling {
    unsigned long long luma, chroma, rgb;           // addresses
    int luma_pitch, chroma_pitch;                   // bytes from row to row
    int width, height, to_width, to_height;         // of the image, and of the result without pitch
    float to_rgb[12];                               // (3, 4): Y, Cb, Cr and 1 -> R, G, B in 0..255
};

#ifdef __CUDACC__
#define DEVICE __device__ static
#else
#define DEVICE static
#endif

// Average of one of `step` channels over a rectangle in pixels of its plane.
DEVICE float average(const unsigned char *plane, int pitch, int step, float left, float right, float top, float bottom,
                     int width, int height) {
    float sum = 0.0f, weight = 0.0f;
    for (int y = (int)top; y < height && (float)y < bottom; ++y) {
        float rows = (bottom < y + 1 ? bottom : y + 1) - (top > y ? top : y);
        for (int x = (int)left; x < width && (float)x < right; ++x) {
            float share = rows * ((right < x + 1 ? right : x + 1) - (left > x ? left : x));
            sum += share * (float)plane[(long long)y * pitch + x * step];
            weight += share;
        }
    }
    return sum / weight;
}

DEVICE unsigned char whole(float value) {
    return (unsigned char)(value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value + 0.5f);
}

DEVICE void scale_pixel(const struct Scaling *job, int x, int y) {
    const unsigned char *luma = (const unsigned char *)job->luma;
    const unsigned char *chroma = (const unsigned char *)job->chroma;
    const int half_width = (job->width + 1) / 2, half_height = (job->height + 1) / 2;
    const float across = (float)job->width / (float)job->to_width, down = (float)job->height / (float)job->to_height;
    const float left = x * across, right = (x + 1) * across, top = y * down, bottom = (y + 1) * down;
    const float luminance = average(luma, job->luma_pitch, 1, left, right, top, bottom, job->width, job->height);
    const float blue = average(chroma, job->chroma_pitch, 2, left / 2, right / 2, top / 2, bottom / 2, half_width, half_height);
    const float red = average(chroma + 1, job->chroma_pitch, 2, left / 2, right / 2, top / 2, bottom / 2, half_width, half_height);
    unsigned char *pixel = (unsigned char *)job->rgb + ((long long)y * job->to_width + x) * 3;
    for (int channel = 0; channel < 3; ++channel) {
        const float *row = job->to_rgb + 4 * channel;
        pixel[channel] = whole(row[0] * luminance + row[1] * blue + row[2] * red + row[3]);
    }
}

#ifdef __CUDACC__
extern "C" __global__ void scale_nv12(const struct Scaling job) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < job.to_width && y < job.to_height) scale_pixel(&job, x, y);
}
#endif
