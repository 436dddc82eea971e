import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.ObjectName;

/** Keeps 200 MB on the heap and 20 MB beside it, and says what the machine itself counts. */
public class Heap {
    static final List<Object> KEPT = new ArrayList<>();

    /** Of the machine's own account (NativeMemoryTracking). */
    static long committed() throws Exception {
        String text = (String) ManagementFactory.getPlatformMBeanServer().invoke(
            new ObjectName("com.sun.management:type=DiagnosticCommand"), "vmNativeMemory",
            new Object[] {new String[] {"summary", "scale=B"}}, new String[] {String[].class.getName()});
        Matcher m = Pattern.compile("Java Heap \\(reserved=\\d+, committed=(\\d+)").matcher(text);
        if (!m.find())
            throw new IllegalStateException(text);
        return Long.parseLong(m.group(1));
    }

    static String account() throws Exception {
        BufferPoolMXBean direct = ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)
            .stream().filter(p -> p.getName().equals("direct")).findFirst().get();
        MemoryPoolMXBean metaspace = ManagementFactory.getMemoryPoolMXBeans().stream()
            .filter(p -> p.getName().equals("Metaspace")).findFirst().get();
        Runtime r = Runtime.getRuntime();
        return "{\"committed\": " + committed() + ", \"used\": " + (r.totalMemory() - r.freeMemory())
            + ", \"direct\": " + direct.getMemoryUsed() + ", \"buffers\": " + direct.getCount()
            + ", \"metaspace\": " + metaspace.getUsage().getCommitted() + "}";
    }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 200; i++)
            KEPT.add(new byte[1000000]);
        for (int i = 0; i < 20; i++)
            KEPT.add(ByteBuffer.allocateDirect(1000000));
        account(); // the classes that it loads are there before it counts
        System.gc();
        System.out.println(account());
        System.in.read();
        System.out.println(KEPT.size());
    }
}
