package observe
import (
 _ "github.com/shirou/gopsutil/v4/cpu"
 _ "github.com/shirou/gopsutil/v4/mem"
 _ "github.com/shirou/gopsutil/v4/disk"
 _ "github.com/shirou/gopsutil/v4/host"
 _ "github.com/shirou/gopsutil/v4/process"
 _ "golang.org/x/sys/unix"
)
