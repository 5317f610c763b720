# Homebrew formula, for Linux: dcoord needs /proc and Linux's clocks. Not built by the tests, which have no Homebrew.
# REPOSITORY and SHA256 are filled in when a version is released.
class Dcoord < Formula
  desc "Coordinate shell scripts, cron jobs and pipelines over Redis or Valkey"
  homepage "REPOSITORY"
  url "REPOSITORY/archive/refs/tags/v0.1.0.tar.gz"
  sha256 "SHA256"
  license "MIT"
  head "REPOSITORY.git", branch: "main"

  depends_on "cli11" => :build
  depends_on "cmake" => :build
  depends_on "fmt" => :build
  depends_on "ninja" => :build
  depends_on "nlohmann-json" => :build
  depends_on "pkgconf" => :build
  depends_on "valkey" => :test
  depends_on "hiredis"
  depends_on :linux
  depends_on "openssl@3"

  def install
    system "cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", *std_cmake_args
    system "cmake", "--build", "build"
    system "cmake", "--install", "build"
  end

  test do
    port = free_port
    server = spawn Formula["valkey"].opt_bin/"valkey-server", "--port", port.to_s, "--save", ""
    sleep 1
    begin
      assert_equal "held", shell_output("#{bin}/dcoord -p #{port} lock run brew -- echo held").strip
    ensure
      Process.kill "TERM", server
      Process.wait server
    end
  end
end
