/* Stands in for a GPU's driver: its memory is this computer's, and its work is done by the processor. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "gpu_scaling.cu"

static char refused[64] = "";
static int held, stream_mode;

#define CALL(name) do { if (!strcmp(refused, name)) return 2; } while (0)

void refuse(const char *name) { strncpy(refused, name, sizeof refused - 1); }
int rooms(void) { return __atomic_load_n(&held, __ATOMIC_SEQ_CST); }
int capture_mode(void) { return stream_mode; }

int cuInit(unsigned flags) { CALL("cuInit"); return flags; }
int cuDeviceGet(int *device, int number) { *device = number; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = &held; return device; }
int cuCtxSetCurrent(void *context) { return context != &held; }
int cuThreadExchangeStreamCaptureMode(int *mode) { stream_mode = *mode; return 0; }
int cuModuleLoadData(void **module, const char *text) {
    CALL("cuModuleLoadData");
    *module = (void *)text;
    return strstr(text, ".entry scale_nv12(") == NULL;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
    *function = module;
    return strcmp(name, "scale_nv12");
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    CALL("cuMemAlloc_v2");
    *address = (uint64_t)malloc(bytes);
    __atomic_add_fetch(&held, 1, __ATOMIC_SEQ_CST);
    return 0;
}
int cuMemFree_v2(uint64_t address) {
    free((void *)address);
    __atomic_sub_fetch(&held, 1, __ATOMIC_SEQ_CST);
    return 0;
}
int cuLaunchKernel(void *function, unsigned across, unsigned down, unsigned deep, unsigned x, unsigned y,
                   unsigned z, unsigned shared, void *stream, void **parameters, void **extra) {
    CALL("cuLaunchKernel");
    const struct Scaling *job = parameters[0];
    if (!function || deep * z != 1 || shared || stream || extra) return 1;
    for (int row = 0; row < (int)(down * y); ++row)
        for (int column = 0; column < (int)(across * x); ++column)
            if (column < job->to_width && row < job->to_height) scale_pixel(job, column, row);
    return 0;
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    CALL("cuMemcpyDtoH_v2");
    memcpy(to, (const void *)from, bytes);
    return 0;
}
int cuGetErrorName(int code, const char **text) {
    *text = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : NULL;
    return 0;
}
