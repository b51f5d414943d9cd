#include <string>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../ways.hpp"

extern "C" long attack(long n) {
    for (unsigned long domain :
         {(unsigned long)ADDR_NO_RANDOMIZE, (unsigned long)READ_IMPLIES_EXEC,
          (unsigned long)MMAP_PAGE_ZERO, (unsigned long)ADDR_COMPAT_LAYOUT,
          (unsigned long)ADDR_LIMIT_32BIT, (unsigned long)ADDR_LIMIT_3GB,
          (unsigned long)STICKY_TIMEOUTS, 0x20000ul /* UNAME26 */, (unsigned long)PER_LINUX32,
          0x20008ul, (unsigned long)PER_SVR4, (unsigned long)PER_BSD, (unsigned long)PER_SOLARIS})
        attempt(("personality " + std::to_string(domain)).c_str(),
                [=] { return syscall(SYS_personality, domain); });
    return reached;
}
