# nix-build packaging/nix. Not built by the tests, which have no Nix.
{ pkgs ? import <nixpkgs> { } }:

pkgs.stdenv.mkDerivation {
  pname = "dcoord";
  version = "0.1.0";
  src = pkgs.lib.cleanSource ../..;

  nativeBuildInputs = with pkgs; [ cmake ninja pkg-config ];
  buildInputs = with pkgs; [ cli11 fmt hiredis nlohmann_json openssl ];
  postPatch = "patchShebangs man/build";
  cmakeFlags = [ "-DCMAKE_BUILD_TYPE=Release" ];

  # libssl is loaded by its name when a TLS connection is made.
  postFixup = "patchelf --add-rpath ${pkgs.lib.getLib pkgs.openssl}/lib $out/bin/dcoord";

  doInstallCheck = true;
  installCheckPhase = "$out/bin/dcoord lock run --help > /dev/null";

  meta = {
    description = "Coordinate shell scripts, cron jobs and pipelines over Redis or Valkey";
    license = pkgs.lib.licenses.mit;
    platforms = pkgs.lib.platforms.linux;
    mainProgram = "dcoord";
  };
}
