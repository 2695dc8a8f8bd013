import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** Reads Base64 of a properties file per line, and writes what java.util.Properties makes of it. */
public class Dump {
    public static void main(String[] args) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        StringBuilder out = new StringBuilder();
        for (String line; (line = in.readLine()) != null; ) {
            Properties properties = new Properties();
            try {
                properties.load(new ByteArrayInputStream(Base64.getDecoder().decode(line)));
            } catch (IllegalArgumentException e) {
                out.append("error\n");
                continue;
            }
            TreeMap<String, String> sorted = new TreeMap<>();
            for (String key : properties.stringPropertyNames()) {
                if (!key.isEmpty()) {
                    sorted.put(hex(key), hex(properties.getProperty(key)));
                }
            }
            sorted.forEach((key, value) -> out.append(key).append('=').append(value).append(';'));
            out.append('\n');
        }
        System.out.print(out);
    }

    static String hex(String text) {
        StringBuilder out = new StringBuilder();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            out.append(String.format("%02x", b));
        }
        return out.toString();
    }
}
