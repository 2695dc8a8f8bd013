package segmentio
import ("os"; "redline/internal/client")
func init() { if v := os.Getenv("MB"); v != "" { produceTuned = append(produceTuned, client.Preset{Key: "max.buffered.records", Value: v}) } }
