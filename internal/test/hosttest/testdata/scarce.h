/* What a host that is preloaded with scarce.c is refused, and how often. */
#ifndef SCARCE_H
#define SCARCE_H

enum scarce { SCARCE_MALLOC, SCARCE_MMAP, SCARCE_MPROTECT, SCARCE_THREAD, SCARCE_KINDS };

/* From the call with this number on (0: the next), so many calls fail. */
void scarce_arm(enum scarce what, long nth, long times);
/* How many calls there have been since. */
long scarce_calls(void);

#endif
